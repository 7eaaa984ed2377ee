"""Certificates made for a test, and an SMTP server with STARTTLS whose faults can be chosen."""

import pathlib
import socket
import ssl
import subprocess
import threading
import time
import warnings

from harness import free_port, need, wait_until


class Authority:
    """A certificate authority in a folder, and what it signs. Files hold certificate and key."""

    def __init__(self, folder):
        need("openssl")
        self.folder = pathlib.Path(folder) / "certificates"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.certificate = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-subj", "/CN=test authority", "-days", "30", "-keyout", self._key,
                      "-out", self.certificate)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def issue(self, name, alias=None, days=30, self_signed=False, password=None):
        """A file with a certificate for the DNS name; `days` below 0: it has expired."""
        stem = self.folder / (alias or name)
        key, request, out = (stem.with_suffix(end) for end in (".key", ".csr", ".crt"))
        extensions = stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName=DNS:{name}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        signer = ["-signkey", key] if self_signed else ["-CA", self.certificate, "-CAkey",
                                                        self._key, "-CAcreateserial"]
        self._openssl("x509", "-req", "-in", request, "-days", days, "-extfile", extensions,
                      "-out", out, *signer)
        if password:
            self._openssl("ec", "-in", key, "-out", key, "-aes128", "-passout",
                          f"pass:{password}")
        pem = stem.with_suffix(".pem")
        pem.write_text(key.read_text() + out.read_text())  # Postfix wants the key first
        pem.chmod(0o644)
        return pem


class TlsServer:
    """Takes all mail. `certificate` None: STARTTLS is not offered. Counts what sessions did."""

    def __init__(self, certificate=None, lowest=None, highest=None, name="peer.test",
                 break_handshake=False, client_authority=None, stall_handshake=False):
        self.name = name
        self.stall_handshake = stall_handshake
        self.break_handshake = break_handshake
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self.context.minimum_version = lowest or ssl.TLSVersion.TLSv1
                if highest:
                    self.context.maximum_version = highest
            if client_authority:
                self.context.verify_mode = ssl.CERT_REQUIRED
                self.context.load_verify_locations(client_authority)
        self.sessions = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def running(self):
        return True

    def start(self):
        return self

    def stop(self, _timeout=0):
        self._listener.close()

    kill = stop

    def tail(self):
        return f"--- {self.name}: {self.sessions}"

    def encrypted_messages(self):
        return sum(session["messages"] for session in self.sessions if session["version"])

    def clear_messages(self):
        return sum(session["messages"] for session in self.sessions if not session["version"])

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            session = {"version": None, "cipher": None, "sni": None, "resumed": False,
                       "messages": 0, "starttls": 0, "certificate": None, "ended_well": None}
            self.sessions.append(session)
            threading.Thread(target=self._serve, args=(client, session), daemon=True).start()

    def _secure(self, client, session):
        if self.stall_handshake:
            while client.recv(4096):
                pass  # says nothing to whatever comes
            return None
        if self.break_handshake:
            client.recv(4096)
            client.sendall(b"this is no TLS\r\n" * 4)
            client.close()
            return None
        if self.context.sni_callback is None:
            self.context.sni_callback = lambda sock, sni, _: setattr(sock, "wanted", sni)
        client = self.context.wrap_socket(client, server_side=True, suppress_ragged_eofs=False)
        session["version"] = client.version()
        session["cipher"] = client.cipher()[0]
        session["sni"] = getattr(client, "wanted", None)
        session["resumed"] = client.session_reused
        session["certificate"] = client.getpeercert() if self.context.verify_mode else None
        return client

    def _serve(self, client, session):
        try:
            self._talk(client, session)
        except (OSError, ssl.SSLError):
            pass
        finally:
            client.close()

    def _talk(self, client, session):
        client.sendall(f"220 {self.name} ESMTP\r\n".encode())
        stream = client.makefile("rb")
        for line in stream:
            word = line.split()[0].upper() if line.split() else b""
            if word == b"EHLO":
                offer = "250-STARTTLS\r\n" if self.context and not session["version"] else ""
                client.sendall(f"250-{self.name}\r\n{offer}250 PIPELINING\r\n".encode())
            elif word == b"STARTTLS":
                session["starttls"] += 1
                client.sendall(b"220 go ahead\r\n")
                client = self._secure(client, session)
                if client is None:
                    return
                stream = client.makefile("rb")
                self._talk_on(client, stream, session)
                return
            elif not self._answer(client, stream, word, session):
                return

    def _talk_on(self, client, stream, session):
        for line in stream:
            word = line.split()[0].upper() if line.split() else b""
            if word == b"EHLO":
                client.sendall(f"250-{self.name}\r\n250 PIPELINING\r\n".encode())
            elif not self._answer(client, stream, word, session):
                try:
                    session["ended_well"] = client.recv(1) == b""
                except ssl.SSLEOFError:
                    session["ended_well"] = False
                return

    @staticmethod
    def _answer(client, stream, word, session):
        if word == b"DATA":
            client.sendall(b"354 go ahead\r\n")
            for line in stream:
                if line == b".\r\n":
                    break
            session["messages"] += 1
            client.sendall(b"250 2.0.0 kept\r\n")
        elif word == b"QUIT":
            client.sendall(b"221 bye\r\n")
            return False
        else:
            client.sendall(b"250 2.0.0 ok\r\n")
        return True


class OpensslServer:
    """A mail host whose TLS is `openssl s_server`: what is said in clear is said here, then the
    bytes go through it, and what it decrypts is answered here again. Without a certificate the
    handshake that STARTTLS began is never answered."""

    def __init__(self, certificate=None, *options):
        need("openssl")
        self.certificate = certificate
        self.options = options
        self.messages = 0
        self.name = "s_server"
        self._ended = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def running(self):
        return True

    def start(self):
        return self

    def stop(self, _timeout=0):
        self._ended = True
        self._listener.close()

    kill = stop

    def tail(self):
        return f"--- {self.name}: {self.messages} messages"

    def _accept(self):
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            try:
                if self._converse(client.makefile("rb", 0), client.sendall, True):
                    self._encrypt(client)
            except OSError:
                pass

    def _converse(self, lines, say, clear):
        """True: STARTTLS was said."""
        if clear:
            say(b"220 s_server ESMTP\r\n")
        for line in iter(lines.readline, b""):
            verb = line.strip().upper()[:8]
            if verb.startswith(b"EHLO"):
                say(b"250-s_server\r\n250 " + (b"STARTTLS" if clear else b"8BITMIME") + b"\r\n")
            elif verb == b"STARTTLS":
                say(b"220 ready\r\n")
                return True
            elif verb.startswith(b"DATA"):
                say(b"354 go on\r\n")
                while lines.readline().rstrip(b"\r\n") != b".":
                    pass
                self.messages += 1
                say(b"250 taken\r\n")
            elif verb.startswith(b"QUIT"):
                say(b"221 bye\r\n")
                break
            else:
                say(b"250 fine\r\n")
        return False

    def _encrypt(self, client):
        if self.certificate is None:
            while client.recv(4096):
                pass
            return
        port = free_port()
        with subprocess.Popen(
                ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-naccept", "1",
                 "-cert", self.certificate, "-key", self.certificate, *self.options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                bufsize=0) as server:
            try:
                with wait_until(lambda: self._reach(port), "s_server to listen", 20) as inner:
                    for source, target in ((client, inner), (inner, client)):
                        threading.Thread(target=self._carry, args=(source, target),
                                         daemon=True).start()
                    self._converse(server.stdout, server.stdin.write, False)
                    time.sleep(0.1)  # what was said last is on its way
            finally:
                server.kill()

    @staticmethod
    def _reach(port):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        except ConnectionError:
            return None

    @staticmethod
    def _carry(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
