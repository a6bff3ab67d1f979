"""A mail server that keeps what it takes as files: server.py DIRECTORY TLS REFUSALS [USER PASSWORD]

TLS is `none`, `starttls` (with cert.pem and key.pem of DIRECTORY) or `implicit`. The first REFUSALS mails are turned away for now.
"""

import asyncio
import itertools
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

directory, tls, refusals = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
login = tuple(argument.encode() for argument in sys.argv[4:6])
numbers = itertools.count()


class Keeper:
    async def handle_DATA(self, server, session, envelope):
        number = next(numbers)
        if number < refusals:
            return "451 4.3.0 not now"
        secret = "tls" if server.transport.get_extra_info("ssl_object") else "clear"
        head = f"{secret}\n{envelope.mail_from}\n{','.join(envelope.rcpt_tos)}\n".encode()
        part = directory / f"{number}.part"
        part.write_bytes(head + envelope.content)
        part.rename(directory / f"{number}.mail")
        return "250 2.0.0 kept"


def judge(server, session, envelope, mechanism, shown):
    return AuthResult(success=(shown.login, shown.password) == login, handled=False)


async def main():
    context = None
    if tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    starttls = context if tls == "starttls" else None

    def session():
        asking = {"authenticator": judge, "auth_required": True} if login else {}
        return SMTP(Keeper(), tls_context=starttls, require_starttls=starttls is not None, **asking)

    implicit = context if tls == "implicit" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=implicit)
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
