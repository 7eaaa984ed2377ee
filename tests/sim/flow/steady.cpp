#include "tests/sim/flow/steady.h"

#include <gtest/gtest.h>

namespace ringpost::sim {
namespace {

const SocketAddress kListener{IpAddress::v4(127, 0, 0, 1), 2525};

constexpr const char* kConfiguration =
    "host-name mail.sender.example\n"
    "smtp-listener 127.0.0.1:2525\n"
    "spool /spool\n"
    "<acct-file /acct.csv>\n</acct-file>\n"
    "<pattern-list ranks>\nrcpt-to /[02468]@/ recipient-priority=90\n"
    "mail-from /1@/ recipient-priority=20\n</pattern-list>\n"
    "<source 127.0.0.1>\nalways-allow-relaying yes\npattern-list ranks\n</source>\n"
    "<domain *>\nmax-smtp-out 4\nconnection-idle-timeout 1m\n</domain>\n";

}  // namespace

Steady::Steady(unsigned shards, unsigned domains) : MachineRun(7) {
  for (unsigned d = 0; d < domains; ++d) {
    const std::string domain = "d" + std::to_string(d) + ".example";
    const IpAddress ip = IpAddress::v4(12, 0, static_cast<std::uint8_t>(1 + d / 200),
                                       static_cast<std::uint8_t>(1 + d % 200));
    zone_.add_mx(domain, 10, "mx." + domain);
    zone_.add_a("mx." + domain, ip.text());
    hosts_.push_back(std::make_unique<Receiver>(outside_, SocketAddress{ip, 25}));
  }
  // Each shard listens; connections come to them in turn.
  for (unsigned i = 0; i < 2 * shards; ++i) {
    injectors_.push_back(std::make_unique<Injector>(outside_, kListener));
  }
  configure(kConfiguration);
  EXPECT_TRUE(start(shards));
}

Steady::~Steady() { EXPECT_TRUE(stop()) << ledger_.complaints().front(); }

void Steady::prepare(std::size_t count) {
  for (std::size_t n = 0; n < count; ++n) {
    const std::size_t number = ledger_.mails.size();
    Mail mail;
    mail.from = "s" + std::to_string(number) + "@inject.example";
    mail.to.push_back("r" + std::to_string(number) + "@d" + std::to_string(number % hosts_.size()) +
                      ".example");
    mail.content = "Subject: " + std::to_string(number) +
                   "\r\nMessage-ID: <m@inject.example>\r\n\r\n" + std::string(800, 'x') + "\r\n";
    mail.expected = Injector::wire_form(mail.content);
    ledger_.mails.push_back(std::move(mail));
  }
}

void Steady::send() {
  for (; sent_ < ledger_.mails.size(); ++sent_) {
    injectors_[sent_ % injectors_.size()]->submit(sent_);
  }
  EXPECT_TRUE(world_.run_until([&] { return ledger_.deliveries == ledger_.mails.size(); },
                               Duration::minutes(10)));
  world_.run_for(Duration::seconds(1));
}

void Steady::reconcile() {
  ledger_.reconcile(accounts_.text_of("/acct.csv"));
  EXPECT_TRUE(ledger_.complaints().empty()) << ledger_.complaints().front();
}

}  // namespace ringpost::sim
