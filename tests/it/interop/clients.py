"""httpx, aiohttp and websockets as clients: clients.py PLAIN SECURE CA MANAGER FOREIGNER"""
import asyncio
import http.client
import ssl
import sys
from urllib.parse import urlsplit

import aiohttp
import httpx
import websockets

plain, secure, ca, manager, foreigner = sys.argv[1:]
sockets = "ws://" + plain
plain, secure = "http://" + plain, "https://" + secure
mine = {"Authorization": "Bearer " + manager}
theirs = {"Authorization": "Bearer " + foreigner}
ORG = "/api/v1/org/a/x"


def pieces(count=100, size=5000):
    for _ in range(count):
        yield b"y" * size


def standard_library():
    """Writes all of a body before it reads anything, on a connection that it keeps."""
    client = http.client.HTTPConnection(urlsplit(plain).netloc, timeout=20)
    for headers, size, status in [(mine, 3_000_000, 200), (theirs, 3_000_000, 403), ({}, 500_000, 401), (mine, 10, 200)]:
        client.request("POST", ORG, body=b"x" * size, headers=headers)
        answer = client.getresponse()
        answer.read()
        assert answer.status == status, (size, answer.status)
    client.request("POST", ORG, body=pieces(), headers=mine, encode_chunked=True)
    assert client.getresponse().status == 200


def with_httpx():
    context = ssl.create_default_context(cafile=ca)
    for base, options, version in [
        (plain, {}, "HTTP/1.1"),
        (plain, {"http1": False, "http2": True}, "HTTP/2"),
        (secure, {"http2": True, "verify": context}, "HTTP/2"),
    ]:
        with httpx.Client(timeout=20, base_url=base, **options) as client:
            answer = client.get("/me/x?a=b", headers=mine)
            assert (answer.status_code, answer.http_version) == (200, version), answer
            assert answer.json()["target"] == "/me/x?a=b" and answer.json()["user"] == ["mA"], answer.json()
            assert client.post(ORG, headers=mine, content=pieces()).json()["size"] == 500_000
            for size in [10, 50_000, 2_000_000]:
                refused = client.post(ORG, headers=theirs, content=b"z" * size)
                assert refused.status_code == 403 and refused.json()["code"] == "org_foreign", refused
                assert client.get("/me/x", headers=mine).status_code == 200, "the connection serves on"


async def with_aiohttp():
    async with aiohttp.ClientSession(headers=mine) as client:
        answers = await asyncio.gather(*(client.get(f"{plain}/me/{n}") for n in range(100)))
        assert all(answer.status == 200 for answer in answers)
        async with client.ws_connect(sockets + "/ws/x", compress=15) as socket:
            for text in ["", "hello", "x" * 200_000]:
                await socket.send_str(text)
                assert await socket.receive_str() == text
        try:
            await client.ws_connect(sockets + "/ws/x", origin="https://evil.example")
            raise AssertionError("an origin that is not listed")
        except aiohttp.WSServerHandshakeError as error:
            assert error.status == 403


async def with_websockets():
    async with websockets.connect(sockets + "/ws/x", additional_headers=mine, compression=None) as socket:
        await socket.send(b"\0" * 300_000)
        assert await socket.recv() == b"\0" * 300_000
    try:
        await websockets.connect(sockets + "/ws/x")
        raise AssertionError("nobody")
    except websockets.exceptions.InvalidStatus as error:
        assert error.response.status_code == 401


standard_library()
with_httpx()
asyncio.run(with_aiohttp())
asyncio.run(with_websockets())
