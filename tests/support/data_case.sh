# data_case.sh, to be sourced by the cases of `dmlx data`: a small data set, its archive, and a server.

# small/cifar-10-batches-bin, and small.tar.gz, which has the shape of the official archive. Sets MD5.
make_archive() {
    python3 "$SUPPORT/make_data.py" small
    tar -C small --sort=name --mtime=@0 --owner=0 --group=0 -cf - cifar-10-batches-bin | gzip -n >small.tar.gz
    MD5=$(md5sum <small.tar.gz | cut -c1-32)
}

# serve FILE [FLAG…]: archive_server.py on FILE; sets URL. Requests are logged in ./requests. It lives as long as
# this shell.
serve() {
    rm -f port hold
    mkfifo port hold
    file=$1
    shift
    python3 "$SUPPORT/archive_server.py" "$file" port requests "$@" <hold &
    exec 9>hold
    read -r port_number <port
    URL=http://127.0.0.1:$port_number/$file
}

# Prints what it is given with the server's port, which differs from run to run, as PORT.
hide_port() {
    sed "s|:$port_number/|:PORT/|g"
}
