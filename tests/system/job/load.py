"""A load on a block device or a folder, the same each time it is made: `scattered` and `hot` write pages of 4 KiB past the
cache (all over the device, or mostly to a sixteenth of it), `files` makes, changes and removes small files.

    load.py scattered|hot DEVICE WRITES
    load.py files FOLDER FILES
"""
import mmap, os, random, sys

kind, at, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
dice = random.Random(20260117)

if kind == 'files':
    for n in range(count):
        with open(f'{at}/f{n}', 'wb') as file:
            file.write(dice.randbytes(dice.randrange(1, 20000)))
            if n % 10 == 0:
                os.fsync(file.fileno())
        if n % 3 == 2:
            os.remove(f'{at}/f{n - 1}')
        if n % 5 == 4 and os.path.exists(f'{at}/f{n - 2}'):
            with open(f'{at}/f{n - 2}', 'r+b') as file:
                file.write(b'again')
    os.sync()
else:
    page = mmap.mmap(-1, 4096)
    device = os.open(at, os.O_RDWR | os.O_DIRECT)
    pages = os.lseek(device, 0, os.SEEK_END) // 4096
    for n in range(count):
        page.seek(0)
        page.write(n.to_bytes(8, 'little') * 512)
        place = dice.randrange(pages // 16) if kind == 'hot' and n % 10 else dice.randrange(pages)
        os.pwritev(device, [page], place * 4096)
    os.fsync(device)
