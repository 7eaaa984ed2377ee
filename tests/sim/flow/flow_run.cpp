#include "tests/sim/flow/flow_run.h"

#include <algorithm>

namespace ringpost::sim {
namespace {

const SocketAddress kServer{IpAddress::v4(127, 0, 0, 1), 2525};
const SocketAddress kTlsServer{IpAddress::v4(127, 0, 0, 1), 2526};
constexpr const char* kVmtas[2] = {"mta-a", "mta-b"};
constexpr unsigned kHostsMax = 4;
constexpr Duration kPatience = Duration::hours(2);

const IpAddress kSendersHome = IpAddress::v4(12, 0, 2, 1);

IpAddress source_of(unsigned vmta) {
  return IpAddress::v4(10, 1, 0, static_cast<std::uint8_t>(vmta + 1));
}

}  // namespace

FlowRun::FlowRun(std::uint64_t seed, const FlowProfile& profile)
    : MachineRun(seed), profile_(profile) {
  network_.watch([this](const IpAddress& local, const SocketAddress& remote, int step) {
    on_connection(local, remote, step);
  });
  tiny_ = profile_.tiny && world_.random().chance(30);
  recipients_max_ = static_cast<unsigned>(1 + world_.random().below(5));
  draw_domains();
  draw_config();
  draw_faults();
}

void FlowRun::draw_domains() {
  Random& random = world_.random();
  zone_.add_mx("inject.example", 10, "mx.inject.example");
  zone_.add_a("mx.inject.example", kSendersHome.text());
  senders_home_ = std::make_unique<Receiver>(outside_, SocketAddress{kSendersHome, 25});
  domains_.resize(2 + random.below(5));
  for (unsigned d = 0; d < domains_.size(); ++d) {
    Domain& domain = domains_[d];
    domain.name = "d" + std::to_string(d) + ".example";
    domain.connections_max = static_cast<unsigned>(1 + random.below(random.chance(50) ? 3 : 12));
    const auto hosts = static_cast<unsigned>(1 + random.below(2));
    for (unsigned h = 0; h < hosts; ++h) {
      const IpAddress ip =
          IpAddress::v4(12, 0, 1, static_cast<std::uint8_t>(1 + d * kHostsMax + h));
      const std::string name = "mx" + std::to_string(h) + "." + domain.name;
      zone_.add_mx(domain.name, static_cast<std::uint16_t>(random.chance(50) ? 10 : 10 + h), name);
      zone_.add_a(name, ip.text());
      domain.hosts.push_back(std::make_unique<Receiver>(outside_, SocketAddress{ip, 25}));
    }
    if (random.chance(20)) {
      // A host where nothing listens, now and ever.
      const std::string name = "dead." + domain.name;
      zone_.add_mx(domain.name, static_cast<std::uint16_t>(5 + random.below(10)), name);
      zone_.add_a(
          name,
          IpAddress::v4(12, 0, 1, static_cast<std::uint8_t>(d * kHostsMax + kHostsMax)).text());
    }
  }
}

void FlowRun::draw_config() {
  Random& random = world_.random();
  total_max_ = static_cast<unsigned>(2 + random.below(random.chance(50) ? 6 : 40));
  std::string text =
      "host-name mail.sender.example\n"
      "smtp-listener 127.0.0.1:2525\n"
      "spool /spool\n"
      "zero-copy-threshold 1500\n"
      "shutdown-timeout 60s\n"
      "total-max-smtp-out " +
      std::to_string(total_max_) + "\n<acct-file /acct.csv>\n" +
      (total_max_ % 2 == 0 ? "records d,b,tq,r\n" : "") +
      "</acct-file>\n"
      "<source 127.0.0.1>\nalways-allow-relaying yes\nprocess-x-virtual-mta yes\n</source>\n";
  if (profile_.busy) {
    text +=
        "smtp-server-tls-certificate good:mail.sender.example\n"
        "smtp-listener 127.0.0.1:2526 {\nimmediate-tls yes\n}\n";
  }
  for (unsigned v = 0; v < 2; ++v) {
    vmta_max_[v] = static_cast<unsigned>(1 + random.below(random.chance(50) ? 5 : 25));
    text += std::string("<virtual-mta ") + kVmtas[v] + ">\nsmtp-source-host " +
            source_of(v).text() + " " + kVmtas[v] + ".sender.example\nmax-smtp-out " +
            std::to_string(vmta_max_[v]) + "\n</virtual-mta>\n";
  }
  text +=
      "<smtp-pattern-list signs>\nreply /busy|greylisted/ mode=backoff\n"
      "reply /going down/ mode=backoff,backoff-to-normal-after=3s\n"
      "reply /not now/ skip-mx\nreply /full/ defer-queue\n</smtp-pattern-list>\n"
      "<domain *>\nretry-after 5s\nretry-recipients-after 7s\nretry-after-dns-error 5s\n"
      "smtp-data-termination-timeout 30s\nmax-rcpt-per-message " +
      std::to_string(recipients_max_) + "\nconnection-idle-timeout " +
      (random.chance(50) ? "0s" : "3s") + "\nbounce-after ";
  if (profile_.expiry && random.chance(20)) {
    ledger_.set_life(Duration::minutes(1));
    text += "1m\n</domain>\n";
  } else {
    text += "2d\n</domain>\n";
  }
  for (const Domain& domain : domains_) {
    text += "<domain " + domain.name + ">\nmax-smtp-out " + std::to_string(domain.connections_max) +
            "\n";
    draw_rate(domain.name, text);
    if (profile_.tls) {
      draw_tls(domain, text);
    }
    draw_backoff(text);
    text += "</domain>\n";
  }
  configure(text);
}

// Some hosts offer TLS, not all of them well; some queues demand it of hosts that have it.
void FlowRun::draw_tls(const Domain& domain, std::string& text) {
  static constexpr const char* kCertificates[] = {"",       "",        "self:x",
                                                  "self:x", "broken:", "stalled:"};
  Random& random = world_.random();
  const bool demanded = random.chance(25);
  if (demanded) {
    text += random.chance(50) ? "require-starttls yes\n" : "tls-verification encrypt\n";
  }
  for (const auto& host : domain.hosts) {
    host->manners.never_clear = demanded;
    host->manners.certificate =
        demanded ? "self:x" : kCertificates[random.below(std::size(kCertificates))];
  }
}

void FlowRun::draw_rate(const std::string& domain, std::string& text) {
  Random& random = world_.random();
  if (!random.chance(25)) {
    return;
  }
  const auto count = static_cast<unsigned>(2 + random.below(8));
  const auto seconds = static_cast<unsigned>(2 + random.below(6));
  ledger_.set_rate(domain, count, Duration::seconds(seconds));
  const std::string rate = std::to_string(count) + "/" + std::to_string(seconds) + "s";
  // A warm-up that does not grow is a rate like any other, by another way.
  text += count % 3 == 0 ? "warmup { period 9d start-rate " + rate + " end-rate " + rate + " }\n"
                         : "max-msg-rate " + rate + "\n";
}

/// Replies change the mode, skip hosts and defer queues; the limits of back-off mode are narrower
/// than those that are checked.
void FlowRun::draw_backoff(std::string& text) {
  Random& random = world_.random();
  if (!random.chance(40)) {
    return;
  }
  text += "smtp-pattern-list signs\nbackoff-max-smtp-out 1\nbackoff-retry-after 4s,9s\n";
  text += random.chance(50) ? "backoff-to-normal-after-delivery yes\n" : "";
  text += random.chance(50) ? "backoff-max-msg-rate 1/10s\n" : "";
  text += random.chance(30) ? "smtp-421-means-mx-unavailable yes\n" : "";
  text += "backoff-to-normal-after " + std::to_string(1 + random.below(30)) + "s\n";
}

void FlowRun::draw_manners(Manners& manners) {
  Random& random = world_.random();
  unsigned* const percents[] = {&manners.busy_greeting,    &manners.mail_later,
                                &manners.rcpt_later,       &manners.rcpt_never,
                                &manners.drop_in_data,     &manners.drop_after_dot,
                                &manners.silent_after_dot, &manners.later_after_dot,
                                &manners.never_after_dot,  &manners.slow,
                                &manners.farewell};
  for (unsigned* percent : percents) {
    *percent = random.chance(30) ? static_cast<unsigned>(random.below(35)) : 0;
  }
  manners.last_message = random.chance(30) ? static_cast<unsigned>(1 + random.below(4)) : 0;
}

/// A disk that is full for a while, or fails now and then.
void FlowRun::draw_disk_faults() {
  Random& random = world_.random();
  if (!profile_.disk_faults || !random.chance(20)) {
    return;
  }
  // Permits wait with their jobs while the disk does not take the mark.
  ledger_.forget_rates();
  const Duration begin = world_.delay_between(Duration{0}, Duration::seconds(20));
  if (random.chance(50)) {
    world_.after(begin,
                 [this] { files_.capacity = files_.used() + world_.random().below(600'000); });
  } else {
    world_.after(begin, [this] {
      DiskFaults& faults = files_.faults;
      unsigned* const percents[] = {&faults.write_error, &faults.short_write, &faults.sync_error,
                                    &faults.prepare_error};
      for (unsigned* percent : percents) {
        *percent = static_cast<unsigned>(world_.random().chance(50) ? world_.random().below(6) : 0);
      }
    });
  }
  world_.after(begin + world_.delay_between(Duration{0}, Duration::seconds(20)), [this] {
    files_.capacity = ~std::uint64_t{0};
    files_.faults = {};
  });
}

void FlowRun::draw_commands() {
  Random& random = world_.random();
  if (!profile_.commands || !random.chance(40)) {
    return;
  }
  for (std::uint64_t n = 1 + random.below(6); n > 0; --n) {
    world_.after(world_.delay_between(Duration{0}, Duration::seconds(60)), [this] {
      if (machine_ != nullptr && up_ && !at_peace_) {
        draw_command();
      }
    });
  }
}

void FlowRun::draw_command() {
  Random& random = world_.random();
  const Domain& domain = domains_[random.below(domains_.size())];
  const auto vmta = static_cast<unsigned>(random.below(2));
  const std::string queue = domain.name + "/" + kVmtas[vmta];
  constexpr app::ControlKind kKinds[] = {app::ControlKind::pause, app::ControlKind::resume,
                                         app::ControlKind::retry_now, app::ControlKind::cancel,
                                         app::ControlKind::queues};
  const app::ControlKind kind = kKinds[random.below(5)];
  world_.trace("command", static_cast<std::uint64_t>(kind));
  if (kind == app::ControlKind::cancel) {
    ledger_.cancelled(domain.name, vmta);
  }
  machine_->command(kind, random.chance(30) && kind != app::ControlKind::cancel ? "*/*" : queue);
}

void FlowRun::draw_faults() {
  Random& random = world_.random();
  NetFaults& faults = network_.faults();
  faults.latency_max = Duration::microseconds(random.between(100, 60'000));
  faults.segment_max = 1 + random.below(random.chance(30) ? 60 : 3000);
  faults.window_bytes = 3000 + random.below(60'000);
  if (profile_.busy && random.chance(40)) {
    world_.turns_take(Duration::microseconds(random.between(5, 2000)));
  }
  clean_before_grouping_ = static_cast<unsigned>(random.below(10));
  if (profile_.net_faults && random.chance(70)) {
    faults.reset_percent = static_cast<unsigned>(random.below(8));
    faults.refuse_percent = static_cast<unsigned>(random.below(25));
    faults.lost_syn_percent = static_cast<unsigned>(random.below(5));
  }
  if (profile_.peer_faults && random.chance(30)) {
    draw_manners(senders_home_->manners);
  }
  for (Domain& domain : domains_) {
    for (auto& host : domain.hosts) {
      Manners& manners = host->manners;
      manners.recipients_max = recipients_max_;
      manners.pipelining = !random.chance(30);
      manners.chunking = random.chance(60);
      if (!profile_.peer_faults || random.chance(30)) {
        continue;
      }
      draw_manners(manners);
    }
    if (profile_.peer_faults && random.chance(10)) {
      zone_.fail(domain.name, DnsType::mx,
                 random.chance(50) ? DnsStatus::failed : DnsStatus::timed_out);
    }
  }
}

void FlowRun::make_peace() {
  NetFaults& faults = network_.faults();
  faults.reset_percent = 0;
  faults.refuse_percent = 0;
  faults.lost_syn_percent = 0;
  files_.capacity = ~std::uint64_t{0};
  files_.faults = {};
  at_peace_ = true;
  senders_home_->manners = {};
  for (Domain& domain : domains_) {
    zone_.mend(domain.name, DnsType::mx);
    for (auto& host : domain.hosts) {
      Manners peaceful;
      peaceful.pipelining = host->manners.pipelining;
      peaceful.chunking = host->manners.chunking;
      peaceful.certificate = host->manners.certificate;
      peaceful.never_clear = host->manners.never_clear;
      peaceful.recipients_max = recipients_max_;
      host->manners = peaceful;
    }
  }
}

std::string FlowRun::draw_content(std::size_t number, unsigned vmta) {
  Random& random = world_.random();
  std::string text = "X-Virtual-MTA: " + std::string(kVmtas[vmta]) +
                     "\r\nSubject: " + std::to_string(number) + "\r\nMessage-ID: <" +
                     std::to_string(number) +
                     "@inject.example>\r\nDate: Sat, 1 Jan 2028 00:00:00 +0000\r\n\r\n";
  std::size_t size = 100 + random.below(1500);
  if (random.chance(25)) {
    size = 2000 + random.below(random.chance(20) ? 58'000 : 18'000);
  }
  while (text.size() < size) {
    if (random.chance(10)) {
      text += random.chance(50) ? "." : "..";
    }
    for (std::uint64_t n = random.below(70); n > 0; --n) {
      text += static_cast<char>('!' + random.below(90));
    }
    text += "\r\n";
  }
  return text;
}

Mail FlowRun::draw_mail(std::size_t number) {
  Random& random = world_.random();
  Mail mail;
  mail.vmta = static_cast<unsigned>(random.below(2));
  if (!random.chance(10)) {
    mail.from = "s" + std::to_string(number) + "@inject.example";
  }
  const std::uint64_t recipients = 1 + random.below(random.chance(30) ? 12 : 2);
  for (std::uint64_t r = 0; r < recipients; ++r) {
    mail.to.push_back("r" + std::to_string(number) + "." + std::to_string(r) + "@" +
                      domains_[random.below(domains_.size())].name);
    constexpr const char* kNotify[] = {"NEVER", "FAILURE", "SUCCESS"};
    mail.notify.push_back(random.chance(30) ? kNotify[random.below(3)] : "");
  }
  mail.content = draw_content(number, mail.vmta);
  mail.expected = Injector::wire_form(mail.content.substr(mail.content.find("Subject:")));
  return mail;
}

void FlowRun::draw_mails() {
  Random& random = world_.random();
  for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
    const bool tls = profile_.busy && random.chance(40);
    injectors_.push_back(std::make_unique<Injector>(outside_, tls ? kTlsServer : kServer, tls));
  }
  const std::size_t count = 5 + random.below(60);
  const Duration spread = Duration::milliseconds(random.between(10, 20'000));
  for (std::size_t i = 0; i < count; ++i) {
    ledger_.mails.push_back(draw_mail(i));
    Injector* injector = injectors_[random.below(injectors_.size())].get();
    world_.after(world_.delay_between(Duration{0}, spread), [injector, i] { injector->submit(i); });
  }
  result_.mails = count;
}

unsigned FlowRun::draw_shards() {
  return profile_.shards != 0 ? profile_.shards
                              : static_cast<unsigned>(1 + world_.random().below(4));
}

void FlowRun::on_connection(const IpAddress& local, const SocketAddress& remote, int step) {
  if (remote.ip == kSendersHome) {
    total_open_ += step;
    if (step > 0 && total_open_ > static_cast<int>(total_max_)) {
      ledger_.complain("LIMIT: a report over total-max-smtp-out");
    }
    return;
  }
  const auto vmta = static_cast<unsigned>(local == source_of(1));
  const unsigned domain = (remote.ip.octets[3] - 1U) / kHostsMax;
  int& queue = queue_open_[{domain, vmta}];
  queue += step;
  vmta_open_[vmta] += step;
  total_open_ += step;
  result_.connections_peak =
      std::max(result_.connections_peak, static_cast<std::size_t>(total_open_));
  const auto over = [&](int open, unsigned limit, const std::string& what) {
    if (step > 0 && open > static_cast<int>(limit)) {
      ledger_.complain("LIMIT: " + std::to_string(open) + " connections, " + what + " allows " +
                       std::to_string(limit));
    }
  };
  over(queue, domains_[domain].connections_max, "max-smtp-out of the queue");
  over(vmta_open_[vmta], vmta_max_[vmta], "max-smtp-out of the virtual MTA");
  over(total_open_, total_max_, "total-max-smtp-out");
}

bool FlowRun::start() {
  up_ = MachineRun::start(draw_shards());
  return up_;
}

bool FlowRun::stop() {
  up_ = false;
  if (!MachineRun::stop()) {
    return false;
  }
  if (total_open_ != 0) {
    ledger_.complain("connections are left after a stop");
  }
  return true;
}

void FlowRun::crash() {
  up_ = false;
  ++result_.crashes;
  MachineRun::crash(world_.random().chance(60));
  if (total_open_ != 0) {
    ledger_.complain("connections are left after a crash");
  }
}

/// Some time, then some steps, so that a crash hits busy moments too.
void FlowRun::live(Duration time) {
  world_.run_for(time);
  std::uint64_t steps = world_.random().below(400);
  world_.run_until([&steps] { return steps-- == 0; }, Duration::seconds(2));
}

/// What was on its way comes to its end, and then nothing more is sent.
bool FlowRun::rest_while_paused() {
  machine_->command(app::ControlKind::pause, "*/*");
  world_.run_for(Duration::seconds(45));
  const std::uint64_t named = ledger_.named_total();
  world_.run_for(Duration::seconds(30));
  if (!machine_->commands_answered()) {
    ledger_.complain("a command was not answered");
    return false;
  }
  if (ledger_.named_total() != named) {
    ledger_.complain("PAUSE: recipients were sent from paused queues");
  }
  return true;
}

bool FlowRun::finish() {
  make_peace();
  if (profile_.commands && world_.random().chance(20) && !rest_while_paused()) {
    return false;
  }
  machine_->command(app::ControlKind::resume, "*/*");
  const Instant deadline = world_.instant() + kPatience;
  const auto over = [&] {
    return std::all_of(injectors_.begin(), injectors_.end(),
                       [](const auto& injector) { return injector->idle(); }) &&
           machine_->settled();
  };
  while (!over()) {
    if (world_.instant() > deadline) {
      const app::ShardStatus status = machine_->status();
      ledger_.complain("NOT LIVE: " + std::to_string(status.queued_recipients) + " recipients, " +
                       std::to_string(status.spool_messages) + " messages are left, sessions " +
                       std::to_string(status.sessions_out) + " out, " +
                       std::to_string(status.sessions_in) + " in" +
                       (status.alarms.empty() ? "" : "; " + status.alarms.front()));
      return false;
    }
    world_.run_for(Duration::seconds(1));
  }
  return true;
}

FlowResult FlowRun::run() {
  if (snapshot_ != nullptr && start()) {
    draw_mails();
    draw_disk_faults();
    draw_commands();
    bool up = true;
    for (std::uint64_t n = profile_.crashes ? world_.random().below(5) : 0; n > 0 && up; --n) {
      live(world_.delay_between(Duration{0},
                                Duration::seconds(world_.random().chance(50) ? 2 : 15)));
      if (world_.random().chance(25)) {
        up = stop();
      } else {
        crash();
      }
      world_.run_for(world_.delay_between(Duration{0}, Duration::seconds(3)));
      up = up && start();
    }
    if (up) {
      live(world_.delay_between(Duration{0}, Duration::seconds(40)));
      // What was settled must stay so over a clean stop.
      if (finish() && stop() && start() && finish()) {
        stop();
      }
    }
    if (machine_ != nullptr) {
      Machine::crash(std::move(machine_), false);
    }
  }
  if (network_.zero_copy_violations() != 0) {
    ledger_.complain("bytes lent to a zero-copy send were changed");
  }
  ledger_.reconcile(accounts_.text_of("/acct.csv"));
  result_.hash = world_.trace_hash();
  result_.complaints = ledger_.complaints();
  result_.accepted = ledger_.recipients_accepted;
  result_.deliveries = ledger_.deliveries;
  result_.second_deliveries = ledger_.second_deliveries;
  result_.bounces = ledger_.bounces;
  result_.expired = ledger_.expired;
  result_.cancelled = ledger_.cancellations;
  result_.ambiguous = ledger_.ambiguous_rows;
  result_.reports = ledger_.reports;
  return result_;
}

}  // namespace ringpost::sim
