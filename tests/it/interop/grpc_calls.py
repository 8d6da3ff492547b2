"""gRPC's client through postern to gRPC's server: grpc_calls.py SERVER SECURE_SERVER POSTERN SECURE_POSTERN CERT KEY CA TOKEN"""
import json
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

clear, within, plain, secure, cert, key, ca, token = sys.argv[1:]
cancelled = []


class Echo(grpc.GenericRpcHandler):
    """Bytes in, bytes out."""

    def service(self, details):
        kinds = {
            "Unary": (grpc.unary_unary_rpc_method_handler, self.unary),
            "Down": (grpc.unary_stream_rpc_method_handler, self.down),
            "Up": (grpc.stream_unary_rpc_method_handler, lambda asked, _: b"%d" % sum(map(len, asked))),
            "Both": (grpc.stream_stream_rpc_method_handler, lambda asked, _: asked),
            "Slow": (grpc.unary_unary_rpc_method_handler, self.slow),
        }
        make, handler = kinds[details.method.rsplit("/", 1)[1]]
        return make(handler)

    def unary(self, asked, context):
        context.send_initial_metadata((("x-first", "1"),))
        context.set_trailing_metadata((("x-last", "2"), ("x-raw-bin", b"\0\1\xff")))
        if asked == b"fail":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nö, 100%")
        if asked == b"who":
            return json.dumps([list(pair) for pair in context.invocation_metadata() if isinstance(pair[1], str)]).encode()
        return asked

    def down(self, asked, context):
        for n in range(int(asked)):
            yield b"%d" % n
        if asked == b"7":
            context.abort(grpc.StatusCode.DATA_LOSS, "seven")

    def slow(self, asked, context):
        ended = threading.Event()
        context.add_callback(ended.set)
        ended.wait(10)
        cancelled.append(not context.is_active())
        return asked


def calls(channel):
    mine = [("authorization", "Bearer " + token), ("x-postern-user", "root")]
    options = {"metadata": mine, "timeout": 20}
    unary = lambda name: channel.unary_unary("/echo.Echo/" + name)

    answer, call = unary("Unary").with_call(b"hi", **options)
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert (answer, first["x-first"], last["x-last"], last["x-raw-bin"]) == (b"hi", "1", "2", b"\0\1\xff")
    seen = json.loads(unary("Unary")(b"who", **options))
    assert ["x-postern-user", "mA"] in seen and "authorization" not in dict(seen), seen
    assert len(unary("Unary")(b"x" * 3_000_000, **options)) == 3_000_000
    assert len(list(channel.unary_stream("/echo.Echo/Down")(b"1000", **options))) == 1000
    assert channel.stream_unary("/echo.Echo/Up")(iter([b"x" * 1000] * 500), **options) == b"500000"
    said = queue.Queue()
    heard = channel.stream_stream("/echo.Echo/Both")(iter(said.get, None), **options)
    for n in range(20):
        said.put(b"%d" % n)
        assert next(heard) == b"%d" % n
    said.put(None)
    assert list(heard) == []
    many = [unary("Unary").future(b"%d" % n, **options) for n in range(300)]
    assert all(call.result() == b"%d" % n for n, call in enumerate(many))

    def fails(call, code):
        try:
            answer = call()
            answer = list(answer) if hasattr(answer, "__next__") else answer
        except grpc.RpcError as error:
            assert error.code() == code, error
            return error
        raise AssertionError(f"{code} expected: {answer}")

    failed = fails(lambda: unary("Unary")(b"fail", **options), grpc.StatusCode.FAILED_PRECONDITION)
    assert failed.details() == "nö, 100%" and dict(failed.trailing_metadata())["x-last"] == "2"
    fails(lambda: channel.unary_stream("/echo.Echo/Down")(b"7", **options), grpc.StatusCode.DATA_LOSS)
    nobody = grpc.StatusCode.UNAUTHENTICATED
    assert fails(lambda: unary("Unary")(b"x", timeout=20), nobody).details().startswith("credentials_missing")
    fails(lambda: unary("Unary")(b"x" * 2_000_000, timeout=20), nobody)
    fails(lambda: channel.stream_unary("/echo.Echo/Up")((b"x" * 100_000 for _ in range(50)), timeout=20), nobody)
    fails(lambda: channel.unary_unary("/other.Service/X")(b"", **options), grpc.StatusCode.UNIMPLEMENTED)
    late = {**options, "timeout": 0.3}
    fails(lambda: unary("Slow")(b"x", **late), grpc.StatusCode.DEADLINE_EXCEEDED)
    call = unary("Slow").future(b"x", **options)
    time.sleep(0.3)
    call.cancel()
    until = time.monotonic() + 5
    while len(cancelled) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert cancelled == [True, True], "the server hears of both"
    cancelled.clear()


read = lambda file: Path(file).read_bytes()
server = grpc.server(ThreadPoolExecutor(20))
server.add_generic_rpc_handlers((Echo(),))
server.add_insecure_port("127.0.0.1:" + clear)
server.add_secure_port("localhost:" + within, grpc.ssl_server_credentials([(read(key), read(cert))]))
server.start()
calls(grpc.insecure_channel("127.0.0.1:" + plain))
calls(grpc.secure_channel("localhost:" + secure, grpc.ssl_channel_credentials(read(ca))))
server.stop(0)
