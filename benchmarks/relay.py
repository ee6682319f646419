"""A long way to some machines: TCP connections of this machine are handed on with a delay, in each direction.

`python -m benchmarks.relay SECONDS HOST:PORT...` prints the port of each, and runs until its standard input ends.
It stands for tc's netem, which not every kernel has; it loses nothing. A connection that is accepted here waits
one round trip more, which a real one would have taken for its handshake.
"""

import asyncio
import contextlib
import os
import sys

_CHUNK_BYTES = 1 << 16
_MOST_CHUNKS = 128
"""So much may be on its way: 8 MiB."""


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float, since: float) -> None:
    """Hand on what is read, each piece so many seconds after it came, and none before `since`."""
    now = asyncio.get_running_loop().time
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MOST_CHUNKS)

    async def take() -> None:
        chunk = b"x"
        while chunk:
            chunk = await reader.read(_CHUNK_BYTES)
            await pieces.put((max(now(), since) + seconds, chunk))

    async def give() -> None:
        while True:
            when, chunk = await pieces.get()
            await asyncio.sleep(max(0.0, when - now()))
            if not chunk:
                writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()

    with contextlib.suppress(OSError):
        await asyncio.gather(take(), give())


async def _relay(seconds: float, targets: list[str]) -> None:
    async def serve(target: str) -> asyncio.Server:
        host, _, port = target.rpartition(":")

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            since = asyncio.get_running_loop().time() + 2 * seconds
            await asyncio.sleep(2 * seconds)
            there = await asyncio.open_connection(host, int(port))
            await asyncio.gather(
                _carry(reader, there[1], seconds, since), _carry(there[0], writer, seconds, since)
            )
            for each in (writer, there[1]):
                each.close()

        return await asyncio.start_server(accepted, "127.0.0.1", 0)

    servers = [await serve(each) for each in targets]
    print(*(each.sockets[0].getsockname()[1] for each in servers), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # with all that is still on its way


if __name__ == "__main__":
    asyncio.run(_relay(float(sys.argv[1]), sys.argv[2:]))
