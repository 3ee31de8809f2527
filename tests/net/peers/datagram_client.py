"""A UDP client with Python's asyncio: sends a hundred datagrams to the port, and prints "ok" when each was answered."""

import asyncio
import sys


class Client(asyncio.DatagramProtocol):
    def __init__(self):
        self.answers = asyncio.Queue()

    def datagram_received(self, data, address):
        self.answers.put_nowait(data)


async def main():
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        Client, remote_addr=("127.0.0.1", int(sys.argv[1])))
    for i in range(100):
        question = b"datagram %d" % i
        transport.sendto(question)
        answer = await asyncio.wait_for(client.answers.get(), 10)
        assert answer == question[::-1], (question, answer)
    transport.close()
    print("ok", flush=True)


asyncio.run(main())
