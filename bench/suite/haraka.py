"""The configuration of Haraka for a measurement: a relay for loopback whose every next hop is the
sink, in a folder of its own."""

import shutil

PLUGIN = """
exports.hook_get_mx = function (next) {{
  next(OK, [{{ priority: 0, exchange: '127.0.0.1', port: {port} }}])
}}
exports.hook_rcpt = function (next) {{ next(OK) }}
exports.hook_connect = function (next, connection) {{ connection.relaying = true; next() }}
"""


def program(away):
    """Its start file below the folder of unpacked peers."""
    return away / "haraka" / "node_modules" / "Haraka" / "bin" / "haraka"


def configure(place, package, port, sink_port, hold, dkim, connections):
    """Writes the folder, from the defaults of the package; `dkim` is (domain, selector, key
    file) or None."""
    config = place / "config"
    shutil.copytree(package / "config", config)
    for folder in (place / "plugins", place / "queue"):
        folder.mkdir(parents=True)
    (place / "plugins" / "to_the_sink.js").write_text(PLUGIN.format(port=sink_port))
    (config / "smtp.ini").write_text(f"listen=127.0.0.1:{port}\nnodes=cpus\n")
    (config / "plugins").write_text("to_the_sink\n" + ("dkim\n" if dkim else ""))
    (config / "me").write_text("mta.test\n")
    (config / "databytes").write_text("104857600\n")
    (config / "loglevel").write_text("ERROR\n")
    (config / "log.ini").write_text("level=error\n")
    (config / "outbound.ini").write_text(
        f"disabled={'true' if hold else 'false'}\nenable_tls=false\nalways_split=true\n"
        f"concurrency_max={connections or 100}\npool_concurrency_max={connections or 100}\n"
        "local_mx_ok=true\n")
    if dkim:
        domain, selector, key = dkim
        (config / "dkim.ini").write_text(f"[sign]\nenabled=true\nselector={selector}\n"
                                         f"domain={domain}\n")
        target = config / "dkim" / domain
        target.mkdir(parents=True)
        (target / "private").write_text(key.read_text())
        (target / "selector").write_text(selector + "\n")


def allow_delivery(place):
    """Ends the hold; in force when it is started again."""
    path = place / "config" / "outbound.ini"
    path.write_text(path.read_text().replace("disabled=true", "disabled=false"))
