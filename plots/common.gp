# The style of all figures. A script sets `name` and loads this; `gnuplot NAME.gp` then draws NAME.svg, and
# gnuplot -e "format='png'" NAME.gp (or pdf) the others.
#
# Colours are Okabe and Ito's, which people with any colour vision can tell apart; where two series meet, their points or dashes differ too.
if (!exists("format")) format = 'svg'
if (!exists("target")) target = name.'.'.format
if (!exists("height")) height = 540
unset multiplot
reset
set encoding utf8
if (format eq 'svg') set terminal svg size 960,height enhanced background '#ffffff' font 'DejaVu Sans,Verdana,sans-serif,15' linewidth 1.2
if (format eq 'png') set terminal pngcairo size 1920,2*height enhanced background '#ffffff' font 'DejaVu Sans,15' fontscale 2 linewidth 2.4 pointscale 2
if (format eq 'pdf') set terminal pdfcairo size 24cm,height/40.0 cm enhanced background '#ffffff' font 'DejaVu Sans,11' fontscale 1 linewidth 1.5
set output target

blue = '#0072B2'
green = '#009E73'
red = '#D55E00'
orange = '#E69F00'
sky = '#56B4E9'
purple = '#CC79A7'
black = '#222222'
grey = '#8A8A8A'
pale = '#C8C8C8'

set datafile separator comma
set datafile columnheaders
set border 3 linecolor rgb '#666666'
set tics nomirror out textcolor rgb black
set grid ytics linecolor rgb '#E4E4E4' linetype 1 linewidth 0.7
set key top left Left reverse samplen 2.2 spacing 1.15 textcolor rgb black
set style fill solid 0.85 noborder
# For a script to put its key beneath the plot, with room for that many lines of it and the axis.
key_below(lines) = sprintf("set key at screen 0.5,0.015 center bottom horizontal; set bmargin %g", 3.6 + 1.25*lines)
# The same for long titles, each on a line of its own.
key_lines(lines) = sprintf("set key at screen 0.08,0.015 left bottom vertical maxcols 1 font ',13'; set bmargin %g", 3.9 + 1.25*lines)
set errorbars small
# The numbers of a point, for who points at it (hypertext, which report.html makes a title of).
unseen = '#ffffffff'
readout(x, y, low, high) = (low == low) ? sprintf("%.4g: %.4g (95 %%: %.4g to %.4g)", x, y, low, high) : sprintf("%.4g: %.4g", x, y)

# The rows of one series; the others are not there.
pick(which, value) = (strcol("series") eq which) ? value : NaN
