"""A gRPC service and its client, by gRPC's own implementation, without generated code: messages are octets as they are.

    peer.py serve                      listens on a free port without TLS, says which, and serves until its input ends
    peer.py call ADDRESS CA NAME       reads one call from each line of its input as JSON, answers each with a line of JSON
"""

import json
import sys
import threading
from concurrent import futures

import grpc

SERVICE = "echo.Sound"


def seen(context):
    """What of the request's metadata the tests ask for."""
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}


def unary(request, context):
    context.set_trailing_metadata((("sound-trailer", "heard"), ("set-cookie", "a=b"), ("cedargate-identity", "forged")))
    return json.dumps({"heard": request.decode(), "metadata": seen(context)}).encode()


def server_stream(request, context):
    for n in range(int(request)):
        yield str(n).encode()


def client_stream(requests, context):
    return str(sum(len(each) for each in requests)).encode()


def bidi(requests, context):
    for each in requests:
        yield b"heard " + each


def fail(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such sound: 100 % gräßlich")


def hang(request, context):
    # Until the client or the gateway gives up.
    done = threading.Event()
    context.add_callback(done.set)
    done.wait()
    return b""


def early(requests, context):
    return b"enough"


HANDLERS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Hang": grpc.unary_unary_rpc_method_handler(hang),
    "Early": grpc.stream_unary_rpc_method_handler(early),
}


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, HANDLERS),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


def pinging(messages):
    """Sends each message only once the answer to the one before has come: a call that holds messages back never ends."""
    answered = threading.Semaphore(1)
    sent = (each for each in messages)

    def requests():
        for each in sent:
            answered.acquire()
            yield each.encode()

    return requests(), answered


def call(channel, wanted):
    """Makes one call; says what came of it."""
    method = f"/{wanted.get('service', SERVICE)}/{wanted['method']}"
    messages = wanted.get("messages", [])
    options = {"metadata": [tuple(pair) for pair in wanted.get("metadata", [])], "timeout": wanted.get("timeout", 60)}
    told = {"messages": [], "code": 0, "details": ""}
    pending = None
    try:
        if wanted["kind"] == "bidi":
            requests, answered = pinging(messages)
            pending = channel.stream_stream(method)(requests, **options)
            for each in pending:
                told["messages"].append(each.decode())
                answered.release()
        elif wanted["kind"] == "server":
            pending = channel.unary_stream(method)(messages[0].encode(), **options)
            told["messages"] = [each.decode() for each in pending]
        elif wanted["kind"] == "client":
            requests = (each.encode() for each in messages)
            answer, pending = channel.stream_unary(method).with_call(requests, **options)
            told["messages"] = [answer.decode()]
        else:
            answer, pending = channel.unary_unary(method).with_call(messages[0].encode(), **options)
            told["messages"] = [answer.decode()]
    except grpc.RpcError as error:
        pending = error
        told["code"] = error.code().value[0]
        told["details"] = error.details()
    for name, pairs in (("initial", pending.initial_metadata()), ("trailing", pending.trailing_metadata())):
        told[name] = {key: value for key, value in pairs or () if isinstance(value, str)}
    return told


def calls(address, ca, name):
    with open(ca, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options = (("grpc.ssl_target_name_override", name), ("grpc.enable_http_proxy", 0))
    with grpc.secure_channel(address, credentials, options) as channel:
        for line in sys.stdin:
            print(json.dumps(call(channel, json.loads(line))), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        calls(*sys.argv[2:])
