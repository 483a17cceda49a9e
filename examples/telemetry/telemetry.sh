#!/bin/sh
# One connection for each reading, so that a broker that was away is found again as soon as it is back.
trap 'echo "stopping after $count readings"; exit 0' TERM
count=0
while true; do
  read -r load rest < /proc/loadavg
  if mosquitto_pub --unix "$BROKER" -t "$TOPIC" -q 1 -m "$load"; then
    count=$((count + 1))
    echo "sent reading $count: $TOPIC $load"
  else
    echo "the broker does not answer at $BROKER; trying again" >&2
  fi
  sleep 1
done
