#!/usr/bin/env python3
"""aiofiles: the jobs of files. job=file_read|small_files n=…"""

import asyncio
import os
import random
import tempfile
import time

import aiofiles
from common import ARGUMENTS, count, ns_each, prove, result

BLOCK = 4096


async def file_read(n):
    """aiofiles has no pread: seek and read, on a file object for each of those under way."""
    in_flight, blocks = count("in_flight", 64), count("blocks", 4096)
    with tempfile.NamedTemporaryFile() as made:
        for i in range(blocks):
            made.write(i.to_bytes(8, "little") + b"b" * (BLOCK - 8))
        made.flush()
        left = n

        async def read_blocks():
            nonlocal left
            async with aiofiles.open(made.name, "rb", buffering=0) as file:
                while left > 0:
                    left -= 1
                    block = random.randrange(blocks)
                    await file.seek(block * BLOCK)
                    data = await file.read(BLOCK)
                    prove(len(data) == BLOCK and int.from_bytes(data[:8], "little") == block, "each block came whole")

        begin = time.perf_counter()
        await asyncio.gather(*[read_blocks() for _ in range(in_flight)])
        result("file_read", ns_each(begin, n), "ns")


async def small_files(n):
    size, limit = count("bytes", 1024), asyncio.Semaphore(count("in_flight", 64))
    with tempfile.TemporaryDirectory() as folder:
        for i in range(n):
            with open(os.path.join(folder, str(i)), "wb") as file:
                file.write(b"x" * size)

        async def read_one(path):
            async with limit, aiofiles.open(path, "rb") as file:
                return len(await file.read())

        best = None
        for _ in range(3):
            begin = time.perf_counter()
            sizes = await asyncio.gather(*[read_one(os.path.join(folder, str(i))) for i in range(n)])
            us = ns_each(begin, n) / 1000
            prove(all(s == size for s in sizes), "each came whole")
            best = us if best is None else min(best, us)
        result("small_files", best, "us")


asyncio.run({"file_read": file_read, "small_files": small_files}[ARGUMENTS["job"]](count("n", 1000)))
