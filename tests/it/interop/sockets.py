"""An application of ASGI that says everything back: Hypercorn runs it, which takes WebSockets over HTTP/2 (RFC 8441)."""


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"plain"})
    elif scope["type"] == "websocket":
        await receive()
        if scope["path"] == "/ws/refused":
            return await send({"type": "websocket.close"})
        headers = dict(scope["headers"])
        told = [(b"x-spoken", scope["http_version"].encode()), (b"x-user", headers.get(b"x-postern-user", b""))]
        wanted = scope["subprotocols"]
        await send({"type": "websocket.accept", "subprotocol": wanted[-1] if wanted else None, "headers": told})
        while (event := await receive())["type"] == "websocket.receive":
            if event.get("text") == "bye":
                return await send({"type": "websocket.close", "code": 1013})
            await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})
