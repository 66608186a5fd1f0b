-- Subscribes to the one channel ganger uses; payloads: work:<queue>, due, cancel. Hints only.
LISTEN ganger;
