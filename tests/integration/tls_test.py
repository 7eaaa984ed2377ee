#!/usr/bin/env python3
"""ringpostd delivers over TLS: to Postfix, and to servers with good, foreign, expired and misnamed
certificates, old protocols and broken handshakes; what must not leave in clear does not. It takes
mail over TLS from smtplib, openssl and Postfix."""

import contextlib
import hashlib
import http.client
import json
import smtplib
import socket
import ssl
import subprocess
import time

import messages
import peers
from harness import (PeerTest, Ringpostd, Sink, free_port, main, need, need_ringpostd,
                     wait_until)
from tls_peers import Authority, OpensslServer, TlsServer

HOST = "mx.peer.test"


class Management(PeerTest):
    """One port for HTTPS and for those who come in clear."""

    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.authority = Authority(self.folder)
        self.pem = self.authority.issue("localhost", password="secret")

    def ask(self, port, encrypted, path="/health"):
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        client = (http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
                  if encrypted else http.client.HTTPConnection("localhost", port, timeout=20))
        with contextlib.closing(client):
            client.request("GET", path)
            answer = client.getresponse()
            return answer.status, answer.headers.get("Location"), answer.read()

    def test_https_and_redirection(self):
        port = free_port()
        daemon = self.started(Ringpostd(
            self.folder, f"http-mgmt-port {port}\n"
            f"smtp-server-tls-certificate {self.pem} secret\n"))
        with socket.create_connection(("127.0.0.1", port)):  # says nothing, and is in nobody's way
            self.assertEqual((200, None), self.ask(port, True)[:2])
            status, location, body = self.ask(port, False)
        self.assertEqual((308, f"https://localhost:{port}/health"), (status, location))
        self.assertNotIn(b"healthy", body)
        self.assertEqual(0, daemon.stop())
        daemon.configuration += "http-redirect-to-https no\n"
        daemon.start()
        for encrypted in (True, False):
            self.assertIn(b"ringpost_queues", self.ask(port, encrypted, "/metrics")[2])


class Outbound(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.authority = Authority(self.folder)
        zone = ("@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\nmx A 127.0.0.1\n")
        self.names = self.started(peers.Nsd(self.folder, {"peer.test": zone}))

    def daemon(self, *queues, **named):
        """Queues are (domain, port, settings); mail goes to mx.peer.test."""
        text = "".join(
            f"<domain {domain}>\n  route {HOST}:{port}\n  allow-private-mx yes\n"
            f"  smtp-tls-ca-file {self.authority.certificate}\n  {settings}\n</domain>\n"
            for domain, port, settings in queues)
        text += f"name-server 127.0.0.1:{self.names.port}\n"
        return self.started(Ringpostd(self.folder, text, shards=1, **named))

    @staticmethod
    def send(daemon, *domains):
        with contextlib.closing(messages.Injector(daemon.port)) as injector:
            for domain in domains:
                content = b"Subject: x\r\n\r\n" + b"0123456789abcdef" * 4 + b"\r\n"
                reply = injector.send(content, [f"someone@{domain}"])
                assert reply[0] == 250, reply

    def test_what_peers_show_and_queues_demand(self):
        good = self.authority.issue(HOST, "good")
        server = {
            "good": TlsServer(good),
            "expired": TlsServer(self.authority.issue(HOST, "expired", days=-1)),
            "misnamed": TlsServer(self.authority.issue("other.test")),
            "foreign": TlsServer(self.authority.issue(HOST, "foreign", self_signed=True)),
            "old": TlsServer(good, highest=ssl.TLSVersion.TLSv1),
            "clear": TlsServer(),
            "broken": TlsServer(good, break_handshake=True),
            "mutual": TlsServer(good, client_authority=self.authority.certificate),
        }
        client = self.authority.issue("client.test", password="secret")
        verify = "tls-verification certificate"
        queues = [("good.test", "good", verify), ("expired.test", "expired", verify),
                  ("misnamed.test", "misnamed", verify), ("foreign.test", "foreign", verify),
                  ("lax.test", "foreign", "require-starttls yes"),
                  ("old.test", "old", "require-starttls yes"),
                  ("older.test", "old", "require-starttls yes\n  smtp-tls-allow-tlsv1 yes"),
                  ("clear.test", "clear", ""), ("noclear.test", "clear", "require-starttls yes"),
                  ("broken.test", "broken", ""),
                  ("nobroken.test", "broken", "tls-verification encrypt"),
                  ("off.test", "good", "use-starttls no"),
                  ("mutual.test", "mutual",
                   f"require-starttls yes\n  smtp-client-certificate {client} secret")]
        daemon = self.daemon(*[(name, server[which].port, settings)
                               for name, which, settings in queues])
        self.send(daemon, *[name for name, _, _ in queues])
        delivered = {"good", "lax", "older", "clear", "broken", "off", "mutual"}
        for name in sorted(delivered):
            self.assertEqual("d", daemon.final_row(f"someone@{name}.test")["type"])
        waits = {"expired": "expired", "misnamed": "mismatch", "foreign": "self-signed",
                 "old": "TLS", "noclear": "STARTTLS", "nobroken": "TLS"}
        wait_until(lambda: daemon.status()["totals"]["sessions_out"] == 0, "sessions to end")
        rows = {row["domain"]: row for row in
                json.loads(daemon.command("show", "queues", "--json"))}
        for name, words in waits.items():
            self.assertIn(words.lower(), rows[f"{name}.test"]["last_error"].lower(), name)
        self.assertEqual("TLSv1.3", server["good"].sessions[0]["version"])
        self.assertEqual(HOST, server["good"].sessions[0]["sni"])
        self.assertTrue(server["good"].sessions[0]["ended_well"], "no close_notify")
        self.assertEqual(1, server["good"].clear_messages())
        self.assertEqual("TLSv1", server["old"].sessions[-1]["version"])
        self.assertEqual(1, server["broken"].clear_messages())
        self.assertEqual(1, server["clear"].clear_messages())
        for name in ("expired", "misnamed"):
            self.assertEqual(0, server[name].clear_messages() + server[name].encrypted_messages())
        subject = dict(part[0] for part in server["mutual"].sessions[0]["certificate"]["subject"])
        self.assertEqual("client.test", subject["commonName"])
        totals = daemon.status()["totals"]
        self.assertEqual(1, totals["tls_out no-policy-found certificate-expired"])
        self.assertEqual(1, totals["tls_out no-policy-found certificate-host-mismatch"])
        self.assertEqual(1, totals["tls_out no-policy-found certificate-not-trusted"])
        self.assertEqual(1, totals["tls_retried_in_clear"])

    def test_a_stalled_handshake_holds_nothing_up(self):
        good = self.authority.issue(HOST)
        stalled, server = TlsServer(good, stall_handshake=True), TlsServer(good)
        daemon = self.daemon(
            ("next.test", f"{stalled.port};{HOST}:{server.port}",
             "require-starttls yes\n  smtp-command-timeout 2s"),
            ("clear.test", stalled.port, "smtp-command-timeout 2s"),
            ("waits.test", stalled.port, "require-starttls yes\n  smtp-command-timeout 2s"),
            ("patient.test", stalled.port, "require-starttls yes"),
            ("other.test", server.port, "require-starttls yes"))
        self.send(daemon, "patient.test", "waits.test", "next.test", "clear.test", "other.test")
        self.assertEqual("d", daemon.final_row("someone@other.test")["type"])
        # The next host of the same queue; and the same host in clear, where that is allowed.
        self.assertEqual("d", daemon.final_row("someone@next.test")["type"])
        self.assertEqual("d", daemon.final_row("someone@clear.test")["type"])
        self.assertEqual((2, 0), (server.encrypted_messages(), stalled.encrypted_messages()))
        self.assertEqual(1, stalled.clear_messages())

        def waits():
            rows = json.loads(daemon.command("show", "queues", "waits.test/*", "--json"))
            return "TLS" in (rows[0]["last_error"] or "")
        wait_until(waits, "the stalled handshake to be given up")

    def test_openssl_as_the_host(self):
        good = self.authority.issue(HOST, "good")
        old = ("-tls1", "-cipher", "ALL:@SECLEVEL=0")
        server = {
            "good": OpensslServer(good),
            "expired": OpensslServer(self.authority.issue(HOST, "expired", days=-1)),
            "misnamed": OpensslServer(self.authority.issue("other.test")),
            "selfmade": OpensslServer(self.authority.issue(HOST, "selfmade", self_signed=True)),
            "old": OpensslServer(good, *old),
            "older": OpensslServer(good, *old),
            "stalled": OpensslServer(),
        }
        for one in server.values():
            self.started(one)
        verify = "tls-verification certificate"
        settings = {"old": "require-starttls yes",
                    "older": "require-starttls yes\n  smtp-tls-allow-tlsv1 yes",
                    "stalled": "require-starttls yes\n  smtp-command-timeout 2s"}
        daemon = self.daemon(*[(f"{name}.test", one.port, settings.get(name, verify))
                               for name, one in server.items()])
        self.send(daemon, *[f"{name}.test" for name in server])
        for name in ("good", "older"):
            self.assertEqual("d", daemon.final_row(f"someone@{name}.test")["type"])
        words = {"expired": "expired", "misnamed": "mismatch", "selfmade": "self-signed",
                 "old": "TLS", "stalled": "TLS"}

        def told():
            rows = {row["domain"]: row["last_error"] or "" for row in
                    json.loads(daemon.command("show", "queues", "--json"))}
            return all(text.lower() in rows[f"{name}.test"].lower()
                       for name, text in words.items())
        wait_until(told, "the reasons of those that wait")
        self.assertEqual({"good": 1, "older": 1},
                         {name: one.messages for name, one in server.items() if one.messages})

    def test_sessions_are_resumed(self):
        server = TlsServer(self.authority.issue(HOST))
        daemon = self.daemon(("a.test", server.port,
                              "tls-verification certificate\n  max-msg-per-connection 1"))
        self.send(daemon, "a.test")
        daemon.final_row("someone@a.test")
        wait_until(lambda: daemon.status()["totals"]["sessions_out"] == 0, "the session's end")
        self.send(daemon, *["a.test"] * 3)
        wait_until(lambda: server.encrypted_messages() == 4, "the rest")
        self.assertFalse(server.sessions[0]["resumed"])
        self.assertTrue(all(session["resumed"] for session in server.sessions[1:]),
                        server.sessions)

    def test_postfix_takes_mail_over_tls(self):
        pem = self.authority.issue(HOST)
        peer = self.started(peers.Postfix(self.folder, settings={
            "smtpd_tls_security_level": "encrypt", "smtpd_tls_chain_files": pem,
            "smtpd_tls_received_header": "yes", "smtpd_tls_session_cache_database": ""}))
        daemon = self.daemon(("rcpt.test", peer.port, "tls-verification certificate"))
        sent = messages.varied(40)
        with contextlib.closing(messages.Injector(daemon.port)) as injector:
            for name, content in sent.items():
                self.assertEqual(250, injector.send(content, [f"{name}@rcpt.test"])[0])
        wait_until(lambda: len(peer.messages()) >= len(sent), "Postfix to have all", 60, 0.1)
        for path in peer.messages():
            self.assertIn(b"using TLSv1.3", path.read_bytes())
        self.assertEqual(0, daemon.status()["totals"]["tls_failed"])

    def test_exim_takes_mail_over_tls(self):
        peer = self.started(peers.Exim(self.folder, certificate=self.authority.issue(HOST)))
        daemon = self.daemon(("rcpt.test", peer.port, "tls-verification certificate"))
        sent = messages.varied(40)
        with contextlib.closing(messages.Injector(daemon.port)) as injector:
            for name, content in sent.items():
                self.assertEqual(250, injector.send(content, [f"{name}@rcpt.test"])[0])
        wait_until(lambda: len(peer.messages()) >= len(sent), "Exim to have all", 60, 0.1)
        for path in peer.messages():
            self.assertIn(b"(TLS1.3)", path.read_bytes())
        self.assertEqual(0, daemon.status()["totals"]["tls_failed"])


class Dane(PeerTest):
    """Delivery by TLSA records of a signed zone, through a validating resolver."""

    def test_records_decide(self):
        need_ringpostd()
        authority = Authority(self.folder)
        servers = {}
        zone = "@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
        configuration = ""
        for name in ("match", "other", "forged", "clear", "none"):
            pem = authority.issue(f"mx-{name}.peer.test", self_signed=True)
            server = servers[name] = TlsServer(None if name == "clear" else pem)
            text = pem.read_text()
            der = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERT"):])
            digest = hashlib.sha256(der if name != "other" else b"other").hexdigest()
            zone += f"{name} MX 10 mx-{name}\nmx-{name} A 127.0.0.1\n"
            if name != "none":
                zone += f"_{server.port}._tcp.mx-{name} TLSA 3 0 1 {digest}\n"
            if name == "forged":
                forged = digest
            configuration += (f"<domain {name}.peer.test>\n  use-dane yes\n"
                              "  allow-private-mx yes\n"
                              f"  default-smtp-port {server.port}\n</domain>\n")
        signed, key = peers.sign_zone(self.folder, "peer.test", zone)
        self.assertIn(forged, signed)
        # What an attacker on the way would do: the signature no longer fits.
        signed = signed.replace(forged, forged[::-1])
        nsd = self.started(peers.Nsd(self.folder, {"peer.test": signed}))
        unbound = self.started(peers.Unbound(self.folder, ["peer.test"], nsd.port, anchor=key))
        daemon = self.started(Ringpostd(
            self.folder, f"name-server 127.0.0.1:{unbound.port}\n{configuration}", shards=1))
        Outbound.send(daemon, *[f"{name}.peer.test" for name in servers])
        for name in ("match", "none"):
            self.assertEqual("d", daemon.final_row(f"someone@{name}.peer.test")["type"])
            self.assertEqual(1, servers[name].encrypted_messages())

        def waiting():
            rows = {row["domain"]: row["last_error"] for row in
                    json.loads(daemon.command("show", "queues", "--json"))}
            bad = ("other", "forged", "clear")
            return rows if all(rows.get(f"{name}.peer.test") for name in bad) else None

        rows = wait_until(waiting, "the others to be deferred")
        self.assertIn("TLS", rows["other.peer.test"])
        self.assertIn("TLSA", rows["forged.peer.test"])
        self.assertIn("STARTTLS", rows["clear.peer.test"])
        for name in ("other", "forged", "clear"):
            server = servers[name]
            self.assertEqual(0, server.clear_messages() + server.encrypted_messages(), name)
        self.assertEqual([], servers["forged"].sessions)
        totals = daemon.status()["totals"]
        self.assertEqual(1, totals["tls_out tlsa successful"])
        self.assertEqual(1, totals["tls_out tlsa validation-failure"])
        self.assertEqual(1, totals["tls_out tlsa starttls-not-supported"])


class Inbound(PeerTest):
    def setUp(self):
        need_ringpostd()
        need("openssl")
        super().setUp()
        self.authority = Authority(self.folder)
        self.tls_port = free_port()
        self.first = self.authority.issue("first.test")
        second = self.authority.issue("second.test", password="secret")
        self.sink = self.started(Sink(self.folder))
        self.daemon = self.started(Ringpostd(
            self.folder, sink_port=self.sink.port, shards=1, configuration=(
                f"smtp-server-tls-certificate {self.first}\n"
                f"smtp-server-tls-certificate {second} secret\n"
                f"smtp-listener 127.0.0.1:{self.tls_port} {{\n  immediate-tls yes\n}}\n"
                "<source 127.0.0.1>\n  allow-starttls yes\n</source>\n")))

    def context(self):
        return ssl.create_default_context(cafile=self.authority.certificate)

    def send(self, client, recipient):
        client.ehlo("client.test")
        client.sendmail("a@client.test", [recipient], "Subject: x\r\n\r\nbody\r\n")
        client.quit()
        self.assertEqual("d", self.daemon.final_row(recipient)["type"])

    def starttls(self, name):
        """A session that named this host and got its certificate."""
        client = smtplib.SMTP("127.0.0.1", self.daemon.port)
        client._host = name
        client.starttls(context=self.context())
        return client

    def serial(self, name):
        client = self.starttls(name)
        serial = client.sock.getpeercert()["serialNumber"]
        client.quit()
        return serial

    def test_clients_of_all_kinds(self):
        for number, name in enumerate(("first.test", "second.test")):
            self.send(self.starttls(name), f"r{number}@rcpt.test")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.starttls("unknown.test")
        raw = socket.create_connection(("127.0.0.1", self.tls_port))
        client = smtplib.SMTP()
        client.sock = self.context().wrap_socket(raw, server_hostname="second.test")
        client.file = None
        self.assertEqual(220, client.getreply()[0])
        self.send(client, "implicit@rcpt.test")
        told = self.openssl("-tls1_2", "-reconnect")
        self.assertIn("Verify return code: 0", told)
        self.assertIn("Reused, TLSv1.2", told)
        self.assertIn("alert protocol version", self.openssl("-tls1", "-cipher", "ALL:@SECLEVEL=0"))
        # Renegotiation is refused: the session ends, the daemon does not.
        self.openssl("-tls1_2", words="R\n")
        self.assertEqual(self.serial("first.test"), self.serial("first.test"))

    def openssl(self, *options, words="QUIT\n"):
        done = subprocess.run(
            ["openssl", "s_client", "-starttls", "smtp", "-connect",
             f"127.0.0.1:{self.daemon.port}", "-servername", "first.test", "-CAfile",
             self.authority.certificate, *options], input=words, text=True, capture_output=True,
            timeout=20, check=False)
        return done.stdout + done.stderr

    def test_commands_right_behind_the_handshake(self):
        """What arrives while the end of the handshake is on its way to the session: the first
        command leaves 0 to 300 us behind the client's last word of it."""
        context = self.context()
        for attempt in range(900):
            with socket.create_connection(("127.0.0.1", self.tls_port), timeout=10) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = context.wrap_bio(arrived, leaving, server_hostname="first.test")

                def ask(question, client=client, arrived=arrived, leaving=leaving):
                    while True:
                        try:
                            return question()
                        except ssl.SSLWantReadError:
                            client.sendall(leaving.read())
                            octets = client.recv(65536)
                            self.assertTrue(octets, f"connection {attempt} was cut")
                            arrived.write(octets)

                ask(tls.do_handshake)
                client.sendall(leaving.read())
                leaves = time.perf_counter() + (attempt % 60) * 5e-6
                while time.perf_counter() < leaves:
                    pass
                tls.write(b"NOOP\r\n")
                client.sendall(leaving.read())
                said = b""
                while b"250 " not in said:
                    said += ask(lambda tls=tls: tls.read(4096))
                self.assertTrue(said.startswith(b"220 "), said)

    def test_a_renewed_certificate_is_taken_up_by_reload(self):
        before = self.serial("first.test")
        old = self.first.read_bytes()
        self.authority.issue("first.test")
        self.assertEqual(before, self.serial("first.test"))
        self.daemon.command("reload")
        after = self.serial("first.test")
        self.assertNotEqual(before, after)
        self.first.write_text("nonsense")
        said = self.daemon.command("reload", check=False)
        self.assertEqual(after, self.serial("first.test"), said)
        self.first.write_bytes(old)

    def test_postfix_sends_over_tls(self):
        peer = self.started(peers.Postfix(self.folder, next_hop_port=self.tls_port, settings={
            "smtp_tls_security_level": "secure", "smtp_tls_wrappermode": "yes",
            "smtp_tls_secure_cert_match": "second.test", "smtp_tls_servername": "second.test",
            "smtp_tls_CAfile": self.authority.certificate}))
        with contextlib.closing(messages.Injector(peer.port)) as injector:
            self.assertEqual(250, injector.send(b"Subject: x\r\n\r\nx\r\n", ["p@rcpt.test"])[0])
        self.assertEqual("d", self.daemon.final_row("p@rcpt.test")["type"])


if __name__ == "__main__":
    main()
