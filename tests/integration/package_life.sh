# What the package goes through after its first day, in a folder with its next version under first/;
# run by sh -ex with root's rights on a host of its own. Its parts: life, then end.

life() {
  [ "$(stat -c %U:%a /var/spool/ringpost)" = ringpost:750 ]
  [ "$(stat -c %U /var/lib/ringpost/acct)" = ringpost ]
  # The row of the cancelled message may come a moment after the command.
  for _ in $(seq 50); do
    ls /var/lib/ringpost/archive/acct-* && break
    sleep 0.2
    runuser -u ringpost -- ringpost acct flush -c /etc/ringpost/ringpost.conf
  done
  ls /var/lib/ringpost/archive/acct-*
  swaks --silent 1 --server 127.0.0.1:2525 --from ops@example.com --to stays@example.net
  echo "# mine" >>/etc/ringpost/ringpost.conf
  dpkg -i first/ringpost_0.1.1_*.deb
  grep -q "# mine" /etc/ringpost/ringpost.conf
  waits # goes on meanwhile
  systemctl restart ringpost.service
  waits
}

waits() { ringpost list --recipient stays@example.net | grep stays; }

end() {
  systemctl stop ringpost.service
  umount /var/lib/ringpost/acct
  dpkg -r ringpost
  [ ! -e /usr/sbin/ringpostd ] && [ -e /etc/ringpost/ringpost.conf ]
  dpkg -P ringpost
  [ ! -e /etc/ringpost ] && [ ! -e /etc/cron.d/ringpost-acct ] && [ ! -e /etc/pam.d/ringpost ]
  [ -d /var/spool/ringpost/log-0000 ]
}
