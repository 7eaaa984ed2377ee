#!/usr/bin/env python3
"""ringpost doctor against a zone of a real authoritative server, seen through a real validating
resolver: what is right is called right, and each fault has its mend."""

import json
import subprocess

import peers
from harness import BIN, PeerTest, Sink, free_port, main, need, need_ringpostd

HEAD = "@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"


class Doctor(PeerTest):
    def setUp(self):
        need_ringpostd()
        need("openssl")
        super().setUp()
        self.port = free_port()
        self.started(Sink(self.folder, port=self.port, address="127.0.0.2"))
        key = self.folder / "key.pem"
        key.touch(0o600)
        key.write_bytes(subprocess.run(["openssl", "genrsa", "2048"], check=True,
                                       capture_output=True).stdout)
        public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-outform", "DER"],
                                check=True, capture_output=True).stdout
        import base64
        record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        quoted = " ".join(f'"{record[i:i + 200]}"' for i in range(0, len(record), 200))
        zones = {
            "good.test": HEAD + '@ TXT "v=spf1 include:spf.good.test -all"\n'
            'spf TXT "v=spf1 ip4:127.0.0.1 -all"\n_dmarc TXT "v=DMARC1; p=reject; '
            'rua=mailto:x@good.test"\n'
            f"s._domainkey TXT ( {quoted} )\nmail A 127.0.0.1\n"
            'mail TXT "v=spf1 a -all"\n',
            "poor.test": HEAD + '@ TXT "v=spf1 ip4:192.0.2.1 -all"\nother A 127.0.0.3\n',
            "there.test": HEAD + "@ MX 10 mx\n@ MX 20 dead\nmx A 127.0.0.2\ndead A 127.0.0.9\n"
            '_mta-sts TXT "v=STSv1; id=1"\n',
            "null.test": HEAD + "@ MX 0 .\n",
            "0.0.127.in-addr.arpa": HEAD + "1 PTR mail.good.test.\n4 PTR gone.poor.test.\n",
        }
        nsd = self.started(peers.Nsd(self.folder, zones))
        unbound = self.started(peers.Unbound(self.folder, zones, nsd.port))
        self.configuration = self.folder / "doctor.conf"
        self.configuration.write_text(
            f"host-name mail.good.test\nname-server 127.0.0.1:{unbound.port}\n"
            f"spool {self.folder}/spool\n"
            f"domain-key s,good.test,{key}\ndomain-key s,poor.test,{key}\n"
            "<virtual-mta right>\n  smtp-source-host 127.0.0.1 mail.good.test\n</virtual-mta>\n"
            "<virtual-mta wrong>\n  smtp-source-host 127.0.0.3 other.poor.test\n"
            "  smtp-source-host 127.0.0.4 localhost\n</virtual-mta>\n"
            f"<domain *>\n  default-smtp-port {self.port}\n  allow-private-mx yes\n</domain>\n")

    def ask(self, *subject):
        done = subprocess.run([BIN / "ringpost", "doctor", *subject, "-c", self.configuration,
                               "--json"], capture_output=True, text=True, timeout=60, check=False)
        findings = json.loads(done.stdout)["findings"]
        return done.returncode, {(one["check"], one["subject"]): one for one in findings}

    def expect(self, findings, level, check, subject, text="", mend=""):
        one = findings[check, subject]
        self.assertEqual(level, one["level"], one)
        self.assertIn(text, one["text"])
        self.assertIn(mend, one["mend"])

    def test_a_virtual_mta_that_is_well(self):
        _, found = self.ask("right")
        self.expect(found, "ok", "reverse-dns", "127.0.0.1 (right)", "mail.good.test")
        self.expect(found, "ok", "helo", "127.0.0.1 (right)")
        self.expect(found, "ok", "spf", "good.test from 127.0.0.1", "pass")
        self.expect(found, "ok", "spf", "mail.good.test from 127.0.0.1", "a of mail.good.test")
        self.expect(found, "ok", "dkim", "s._domainkey.good.test", "matches")
        self.expect(found, "ok", "dmarc", "good.test", "aligned")
        self.assertIn(("clock", "this host"), found)

    def test_faults_have_their_mend(self):
        code, found = self.ask("wrong")
        self.assertEqual(1, code)
        self.expect(found, "error", "reverse-dns", "127.0.0.3 (wrong)", "no name",
                    "3.0.0.127.in-addr.arpa. PTR other.poor.test.")
        self.expect(found, "warning", "helo", "127.0.0.3 (wrong)", "leads to the address")
        self.expect(found, "error", "reverse-dns", "127.0.0.4 (wrong)", "does not lead back",
                    "publish gone.poor.test. A 127.0.0.4")
        self.expect(found, "error", "helo", "127.0.0.4 (wrong)", "not a full host name")
        self.expect(found, "error", "spf", "poor.test from 127.0.0.3", "fail", "ip4:127.0.0.3")
        self.expect(found, "error", "dkim", "s._domainkey.poor.test", "missing",
                    "s._domainkey.poor.test.")
        self.expect(found, "error", "dmarc", "poor.test", "no record", "_dmarc.poor.test.")

    def test_a_domain_of_ours_alone(self):
        _, found = self.ask("good.test")
        self.assertIn(("spf", "good.test from 127.0.0.3"), found)
        self.assertNotIn(("dmarc", "poor.test"), found)

    def test_a_destination(self):
        code, found = self.ask("there.test")
        self.assertEqual(1, code)
        self.expect(found, "ok", "mx", "there.test", "mx.there.test, dead.there.test")
        self.expect(found, "error", "mta-sts", "there.test", "mta-sts.there.test has no address")
        self.expect(found, "note", "tlsa", "mx.there.test", "none")
        self.expect(found, "ok", "port-25",
                    f"mx.there.test 127.0.0.2:{self.port} from 127.0.0.1", "220 ")
        self.expect(found, "error", "port-25",
                    f"dead.there.test 127.0.0.9:{self.port} from 127.0.0.3", "refused", "firewall")
        self.assertNotIn(("spf", "there.test from 127.0.0.1"), found)
        code, found = self.ask("null.test")
        self.assertEqual(1, code)
        self.expect(found, "error", "mx", "null.test", "takes no mail")


if __name__ == "__main__":
    main()
