#!/usr/bin/env python3
"""Delivery by policies of MTA-STS (RFC 8461): from a local web server, found by local DNS, kept
over a restart."""

import contextlib
import http.server
import json
import ssl
import threading

import messages
import peers
from harness import PeerTest, Ringpostd, main, need_ringpostd, wait_until
from tls_peers import Authority, TlsServer

WEB = "127.77.0.1"
ENFORCE = "version: STSv1\r\nmode: enforce\r\nmx: mx-{0}.peer.test\r\nmax_age: 86400\r\n"


class PolicyServer:
    """Web servers `mta-sts.NAME.peer.test` on port 443 of one address. `policies` maps NAME to
    (status, text); `certificates` NAME to a file."""

    def __init__(self, policies, certificates):
        self.asked = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                name = self.headers["Host"].split(".")[1]
                server.asked.append(name)
                status, text = policies[name]
                if self.path != "/.well-known/mta-sts.txt":
                    status, text = 200, ENFORCE.format(name)  # where a redirection leads
                self.send_response(status)
                if status == 301:
                    self.send_header("Location", f"https://{self.headers['Host']}/elsewhere")
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                with contextlib.suppress(OSError):  # who asks leaves when it is too much
                    self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        contexts = {}
        for name, certificate in certificates.items():
            contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            contexts[name].load_cert_chain(certificate)
        first = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        first.load_cert_chain(next(iter(certificates.values())))

        def choose(connection, wanted, _):
            connection.context = contexts[wanted.split(".")[1]]

        first.sni_callback = choose
        self.http = http.server.ThreadingHTTPServer((WEB, 443), Handler)
        self.http.socket = first.wrap_socket(self.http.socket, server_side=True)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


class MtaSts(PeerTest):
    def setUp(self):
        need_ringpostd()
        super().setUp()
        self.authority = Authority(self.folder)
        self.servers = {}
        self.policies = {}
        self.certificates = {}

    def add(self, name, policy, status=200, good=True, web=None):
        """A domain whose exchanger shows a certificate that is good or not."""
        pem = self.authority.issue(f"mx-{name}.peer.test", self_signed=not good)
        self.servers[name] = TlsServer(pem)
        self.policies[name] = (status, policy.format(name))
        self.certificates[name] = self.authority.issue(web or f"mta-sts.{name}.peer.test")

    def daemon(self, records=True):
        zone = "@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
        configuration = ""
        for name, server in self.servers.items():
            zone += (f"{name} MX 10 mx-{name}\nmx-{name} A 127.0.0.1\n"
                     f"mta-sts.{name} A {WEB}\n")
            if records:
                zone += f'_mta-sts.{name} TXT "v=STSv1; id=1;"\n'
            configuration += (
                f"<domain {name}.peer.test>\n  use-mta-sts yes\n  allow-private-mx yes\n"
                f"  smtp-tls-ca-file {self.authority.certificate}\n  retry-after 5m\n"
                f"  default-smtp-port {server.port}\n</domain>\n")
        folder = self.folder / ("with" if records else "without")
        folder.mkdir()
        names = self.started(peers.Nsd(folder, {"peer.test": zone}))
        return self.started(Ringpostd(
            self.folder, f"name-server 127.0.0.1:{names.port}\n{configuration}", shards=1))

    @staticmethod
    def send(daemon, name, who="someone"):
        with contextlib.closing(messages.Injector(daemon.port)) as injector:
            reply = injector.send(b"Subject: x\r\n\r\nx\r\n", [f"{who}@{name}.peer.test"])
            assert reply[0] == 250, reply

    def wait_errors(self, daemon, names):
        def errors():
            rows = {row["domain"]: row["last_error"] for row in
                    json.loads(daemon.command("show", "queues", "--json"))}
            found = {name: rows.get(f"{name}.peer.test") for name in names}
            return found if all(found.values()) else None
        return wait_until(errors, f"errors of {names}")

    def untouched(self, name):
        server = self.servers[name]
        self.assertEqual(0, server.clear_messages() + server.encrypted_messages(), name)

    def test_policies_decide_and_are_kept(self):
        testing = ENFORCE.replace("enforce", "testing")
        self.add("good", ENFORCE)
        self.add("foreign", ENFORCE, good=False)
        self.add("stranger", ENFORCE.replace("mx-{0}", "other"))
        self.add("testing", testing, good=False)
        self.add("none", "version: STSv1\nmode: none\nmax_age: 86400\n", good=False)
        self.add("moved", "", status=301, good=False)
        self.add("badweb", ENFORCE, good=False, web="other.test")
        self.add("nonsense", "<html></html>", good=False)
        self.add("large", ENFORCE + "x: y\n" * 20_000, good=False)
        try:
            web = PolicyServer(self.policies, self.certificates)
        except PermissionError:
            self.skipTest("port 443 cannot be used here")
        daemon = self.daemon()
        for name in self.servers:
            self.send(daemon, name)
        for name in ("good", "testing", "none", "moved", "badweb", "nonsense", "large"):
            self.assertEqual("d", daemon.final_row(f"someone@{name}.peer.test")["type"])
            self.assertEqual(1, self.servers[name].encrypted_messages(), name)
        errors = self.wait_errors(daemon, ("foreign", "stranger"))
        self.assertIn("self-signed", errors["foreign"])
        self.assertIn("MTA-STS", errors["stranger"])
        totals = daemon.status()["totals"]
        counts = {"successful": 1, "certificate-not-trusted": 2, "validation-failure": 1,
                  "sts-policy-fetch-error": 2, "sts-webpki-invalid": 1, "sts-policy-invalid": 1}
        told = {key: value for key, value in totals.items() if key.startswith("tls_out sts")}
        self.assertEqual({f"tls_out sts {key}": value for key, value in counts.items()}, told)
        self.send(daemon, "good", "second")
        daemon.final_row("second@good.peer.test")
        self.assertEqual(1, web.asked.count("good"))

        # An attacker who takes the records and the web server away changes nothing.
        daemon.stop()
        web.stop()
        daemon = self.daemon(records=False)
        self.send(daemon, "foreign", "second")
        before = self.wait_errors(daemon, ("foreign", "stranger"))  # kept over the restart
        self.assertEqual(errors, before)
        tried = daemon.status()["totals"]["resolutions"]
        daemon.command("schedule", "queue", "*")
        wait_until(lambda: daemon.status()["totals"]["resolutions"] >= tried + 2, "two attempts")
        errors = self.wait_errors(daemon, ("foreign", "stranger"))
        self.assertIn("self-signed", errors["foreign"])
        self.assertIn("MTA-STS", errors["stranger"])
        self.untouched("foreign")
        self.untouched("stranger")


if __name__ == "__main__":
    main()
