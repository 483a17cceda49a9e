#!/bin/sh
echo 'crashy: started, all is well'
sleep 1
echo 'crashy: something went wrong' >&2
exit 3
