"""A service that writes: pages here and there, and lines that are on the volume before it acknowledges them."""
import os
import random
import sys
import time

acks = open(sys.argv[1], "a")
pages = open("/srv/app/data/pages", "r+b")
lines = open("/srv/app/data/lines", "a")
count = os.fstat(pages.fileno()).st_size // 4096
while True:
    for _ in range(4):
        pages.seek(random.randrange(count) * 4096)
        pages.write(os.urandom(4096))
    pages.flush()
    line = f"{time.monotonic_ns()} {os.urandom(8).hex()}\n"
    lines.write(line)
    lines.flush()
    os.fsync(pages.fileno())
    os.fsync(lines.fileno())
    acks.write(line)
    acks.flush()
    time.sleep(0.02)
