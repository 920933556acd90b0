"""A server as in production (TLS, real password hashes, durable store), people at it, and processes full of verifiers."""

import base64
import contextlib
import datetime as dt
import http.client
import ipaddress
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import time
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from over_http import PASSWORD, Running, free_port

HERE = pathlib.Path(__file__).parent
FEED_TOKEN = base64.b64encode(os.urandom(33)).decode()
ADMIN = "root@example.test"
SESSIONS_AN_ACCOUNT = 25
"""Under the quota of 50 above which the log keeps one entry for the account."""


def certificate(folder):
    """A certificate for localhost that is its own authority, and its key. Returns: their files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.touch(mode=0o600)
    key_file.write_bytes(key.private_bytes(*private))
    return cert_file, key_file


class Production(Running):
    """The server process with the settings production demands, over TLS, on a port it keeps when started again."""

    def __init__(self, folder, store_url=None):
        (folder / "home").mkdir(parents=True, mode=0o700)
        self.ca, key = certificate(folder)
        self.tls = ssl.create_default_context(cafile=self.ca)
        self.issuer = f"https://localhost:{(port := free_port())}"
        self.settings = {
            "WATCHWORD_ENVIRONMENT": "production",
            "WATCHWORD_HOME": str(folder / "home"),
            "WATCHWORD_ISSUER": self.issuer,
            "WATCHWORD_PORT": str(port),
            "WATCHWORD_SERVER__TLS_CERT": str(self.ca),
            "WATCHWORD_SERVER__TLS_KEY": str(key),
            "WATCHWORD_MASTER_KEY": base64.b64encode(os.urandom(33)).decode(),
            "WATCHWORD_FEED__TOKEN": FEED_TOKEN,
            "WATCHWORD_METRICS__TOKEN": FEED_TOKEN,
            "WATCHWORD_ADMIN__EMAIL": ADMIN,
            "WATCHWORD_ADMIN__PASSWORD": PASSWORD,
            "WATCHWORD_TOKENS__ACCESS_LIFETIME": "7200",
            "WATCHWORD_LOG__LEVEL": "warning",
            "UNPINNED": "1",
            **({"WATCHWORD_STORE__URL": store_url} if store_url else {}),
        }
        self.command = [sys.executable, "-m", "watchword_server.process"]
        super().__init__(self.command, port, self.settings)

    def _wait(self):
        while time.perf_counter() - self.started < 60:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if Caller(self).ask("GET", "/readyz")[0] == 200:
                    return time.perf_counter() - self.started
            if self.process.poll() is not None:
                raise SystemExit(f"the server ended with {self.process.returncode}")
            time.sleep(0.005)
        raise SystemExit("the server did not start")

    def kill(self):
        self.process.kill()
        self.process.wait(20)

    def start_again(self):
        super().__init__(self.command, self.port, self.settings)

    def send(self, number):
        self.process.send_signal(number)

    def close(self):
        if self.process.poll() is None:
            self.send(signal.SIGCONT)
            super().stop()


class Caller:
    """One connection to the server that is kept alive."""

    def __init__(self, server):
        self._connection = http.client.HTTPSConnection("localhost", server.port, context=server.tls, timeout=60)

    def ask(self, method, path, token=None, body=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = self._connection.getresponse()
        raw = answer.read()
        return answer.status, json.loads(raw) if raw[:1] in {b"{", b"["} else raw

    def must(self, wanted, *asked, **more):
        status, answer = self.ask(*asked, **more)
        if status != wanted:
            raise SystemExit(f"{asked[:2]} answered {status}: {answer}")
        return answer

    def register(self):
        email = f"{uuid.uuid4().hex}@example.test"
        self.must(201, "POST", "/auth/register", body={"email": email, "password": PASSWORD})
        return email

    def login(self, email):
        body = {"identifier": email, "password": PASSWORD, "delivery": "body"}
        return self.must(200, "POST", "/auth/login", body=body)["access_token"]

    def sessions(self, count):
        """Access tokens of so many sessions, each to be logged out."""
        emails = [self.register() for _ in range(-(-count // SESSIONS_AN_ACCOUNT))]
        return [self.login(emails[number // SESSIONS_AN_ACCOUNT]) for number in range(count)]

    def logout(self, raw):
        """Returns: when the revocation was acknowledged."""
        self.must(204, "POST", "/auth/logout", token=raw)
        return time.monotonic()

    def cut_offs(self):
        """Every living entry of the log, and the position of its head."""
        found, cursor = [], None
        while True:
            path = "/revocations?limit=5000" + (f"&cursor={cursor}" if cursor else "")
            page = self.must(200, "GET", path, token=FEED_TOKEN)
            found += page["entries"]
            cursor = page["cursor"]
            if not page["more"]:
                return found, int(cursor.split(".")[1])


class Verifiers:
    """A process of verifiers that follow the server's feed, by a road between them if one is given."""

    def __init__(self, server, count, road=None, **follow):
        command = [sys.executable, str(HERE / "verifiers.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = server.port if road is None else road.port
        follow["url"] = f"https://localhost:{port}/revocations"
        self.say(issuer=server.issuer, ca=str(server.ca), token=FEED_TOKEN, count=count, follow=follow)

    def say(self, **words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a process of verifiers ended")
        return json.loads(line)

    def ask(self, **words):
        self.say(**words)
        return self.hear()

    def send(self, number):
        self.process.send_signal(number)

    def close(self):
        self.send(signal.SIGCONT)
        self.process.kill()
        self.process.wait(20)
