#include "tests/unit/deliver/deliver_world.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ringpost::deliver {

TestHost::TestHost(sim::SimWorld& world, sim::SimNetwork& network, Mailroom& mailroom,
                   const SocketAddress& address, HostManners how)
    : manners(std::move(how)),
      driver_(world.add_driver()),
      plain_net_(network, driver_),
      net_(plain_net_, driver_, tls_),
      loop_(0, driver_, mailroom, *this) {
  world.add_loop(loop_);
  accept_.bind<&TestHost::on_accepted>(this);
  listener_ = *net_.listen(address);
  net_.accept(listener_, accept_);
}

std::size_t TestHost::open_sessions() const {
  std::size_t open = 0;
  for (const auto& session : sessions_) {
    open += session->gone ? 0 : 1;
  }
  return open;
}

void TestHost::on_accepted(Completion&) {
  ++connections;
  Session& session = *sessions_.emplace_back(std::make_unique<Session>());
  session.host = this;
  session.stream = *net_.adopt(accept_.socket);
  session.receive.bind<&Session::on_received>(&session);
  session.send.bind<&Session::on_sent>(&session);
  session.secure.bind<&Session::on_secured>(&session);
  session.close.bind<&Session::on_closed>(&session);
  session.drip.bind<&Session::on_drip>(&session);
  net_.receive(session.stream, session.receive);
  session.command("BANNER");
  session.flush();
  net_.accept(listener_, accept_);
}

void TestHost::Session::on_received(Completion&) {
  ReceivedChunk chunk;
  while (!closing && !secure_next && host->net_.take(receive, chunk)) {
    const std::size_t room = host->manners.octets_in_max - octets_in;
    octets_in += std::min<std::size_t>(room, chunk.size);
    in += chunk.view().substr(0, room);
    host->net_.recycle(chunk);
  }
  if (in_content && in.find("\r\n.\r\nMAIL") != std::string::npos) {
    ++host->reads_with_content_and_envelope;
  }
  read_all();
  if ((receive.ended || octets_in == host->manners.octets_in_max) && !closing) {
    closing = true;
    host->net_.close(stream, close);
    return;
  }
  flush();
}

void TestHost::Session::read_all() {
  while (!closing && !close_after && !silent) {
    if (in_chunk || in_content) {
      if (!(in_chunk ? read_chunk() : read_content())) {
        return;
      }
      continue;
    }
    const std::size_t end = in.find("\r\n");
    if (end == std::string::npos) {
      return;
    }
    const std::string line = in.substr(0, end);
    in.erase(0, end + 2);
    command(line);
  }
}

bool TestHost::Session::read_content() {
  const bool lone_dot = in.rfind(".\r\n", 0) == 0;
  const std::size_t end = lone_dot ? 0 : in.find("\r\n.\r\n");
  if (end == std::string::npos) {
    return false;
  }
  const std::size_t size = lone_dot ? 3 : end + 5;
  content_done(in.substr(0, size));
  in.erase(0, size);
  return true;
}

bool TestHost::Session::read_chunk() {
  if (in.size() < chunk_left) {
    return false;
  }
  const std::string content = in.substr(0, chunk_left) + ".\r\n";
  in.erase(0, chunk_left);
  in_chunk = false;
  if (message.recipients.empty()) {
    say(mail_open ? "554 5.5.1 no valid recipients" : "503 5.5.1 MAIL first");
    return true;
  }
  message.chunked = true;
  content_done(content);
  return true;
}

void TestHost::Session::begin_chunk(const std::string& line) {
  EXPECT_EQ(line.substr(line.size() - 5), " LAST");
  in_chunk = true;
  chunk_left = std::stoull(line.substr(5));
}

void TestHost::Session::say(const std::string& reply) { out += reply + "\r\n"; }

void TestHost::Session::on_drip(Now now) {
  if (!closing) {
    say("250-and more");
    flush();
    host->loop_.timers().arm(drip, now.instant + host->manners.drip);
  }
}

void TestHost::Session::command(const std::string& line) {
  host->commands.push_back(line);
  if (line.rfind("BDAT", 0) == 0) {
    begin_chunk(line);
    return;  // the hook is asked at its end, for "."
  }
  const std::string hooked = host->manners.hook ? host->manners.hook(line) : "";
  const auto starts = [&](const char* verb) { return line.rfind(verb, 0) == 0; };
  if (hooked == "CLOSE") {
    close_after = true;
  } else if (hooked == "SILENT") {
    silent = true;
  } else if (hooked == "DRIP") {
    on_drip(host->loop_.now());
  } else if (!hooked.empty()) {
    say(hooked);
    in_content = starts("DATA") && hooked[0] == '3';
    close_after = hooked.rfind("421", 0) == 0;
    if (starts("MAIL") || starts("RSET")) {
      message = {};
      mail_open = starts("MAIL") && hooked[0] == '2';
    } else if (starts("RCPT") && hooked[0] == '2' && mail_open) {
      message.recipients.push_back(line);
    }
  } else {
    usual_command(line);
  }
}

void TestHost::Session::usual_command(const std::string& line) {
  const auto starts = [&](const char* verb) { return line.rfind(verb, 0) == 0; };
  if (starts("BANNER")) {
    say("220 host.example ESMTP");
  } else if (starts("EHLO")) {
    std::string text = "250-host.example greets you";
    std::string extensions = host->manners.extensions;
    if (!host->manners.certificate.empty() && !secured) {
      extensions += extensions.empty() ? "STARTTLS" : "|STARTTLS";
    }
    for (std::size_t bar = 0; !extensions.empty(); extensions.erase(0, bar)) {
      bar = std::min(extensions.find('|'), extensions.size());
      text += "\r\n250-" + extensions.substr(0, bar);
      bar += bar < extensions.size() ? 1 : 0;
    }
    say(text + "\r\n250 HELP");
  } else if (starts("STARTTLS")) {
    say("220 2.0.0 go ahead");
    secure_next = true;
  } else if (starts("MAIL")) {
    EXPECT_FALSE(mail_open) << "MAIL inside a transaction";
    message = {};
    mail_open = true;
    message.reverse_path = line;
    say("250 2.1.0 sender ok");
  } else if (starts("RCPT") && !mail_open) {
    say("503 5.5.1 MAIL first");
  } else if (starts("RCPT")) {
    message.recipients.push_back(line);
    say("250 2.1.5 recipient ok");
  } else if (starts("DATA")) {
    say(message.recipients.empty() ? "503 5.5.1 no recipients" : "354 go ahead");
    in_content = !message.recipients.empty();
  } else if (starts("RSET")) {
    message = {};
    mail_open = false;
    say("250 2.0.0 reset");
  } else if (starts("QUIT")) {
    say("221 2.0.0 bye");
    close_after = true;
  } else {
    say("250 2.0.0 ok");
  }
}

void TestHost::Session::content_done(std::string content) {
  in_content = mail_open = false;
  message.content = std::move(content);
  host->messages.push_back(message);
  message = {};
  const std::string hooked = host->manners.hook ? host->manners.hook(".") : "";
  host->messages.back().refused = !hooked.empty() && (hooked[0] == '4' || hooked[0] == '5');
  if (hooked == "CLOSE") {
    close_after = true;
  } else if (hooked == "SILENT") {
    silent = true;
  } else {
    say(hooked.empty() ? "250 2.0.0 queued" : hooked);
    close_after = hooked.rfind("421", 0) == 0;
  }
}

void TestHost::Session::flush() {
  if (closing || !send.idle()) {
    return;
  }
  if (!out.empty()) {
    sending = std::move(out);
    out.clear();
    const std::size_t room = host->manners.octets_out_max - octets_out;
    if (sending.size() >= room) {
      sending.resize(room);
      close_after = true;
    }
    octets_out += sending.size();
    if (sending.empty()) {
      closing = true;
      host->net_.close(stream, close);
      return;
    }
    slice = Slice::of(sending);
    send.stream = stream;
    send.slices = &slice;
    send.slice_count = 1;
    host->net_.send(send);
  } else if (secure_next) {
    secure_next = false;
    secure.stream = stream;
    secure.receive = &receive;
    secure.server = true;
    secure.context = host->tls_.server(host->manners.certificate);
    host->net_.secure(secure);
  } else if (close_after) {
    closing = true;
    host->net_.close(stream, close);
  }
}

void TestHost::Session::on_sent(Completion&) { flush(); }

void TestHost::Session::on_secured(Completion& completion) {
  if (closing) {
    return;
  }
  if (secure.result < 0) {
    closing = true;
    host->net_.close(stream, close);
    return;
  }
  secured = true;
  ++host->encrypted;
  in.clear();  // RFC 3207 section 4.2
  on_received(completion);
}

DeliverWorld::DeliverWorld(std::uint64_t seed, DeliverOptions options, sim::NetFaults faults)
    : world(seed), network(world, faults), mailroom(1, 64) {
  sim::SimDriver& driver = world.add_driver();
  net = std::make_unique<sim::SimNet>(network, driver);
  loop = std::make_unique<Loop>(0, driver, mailroom, *this);
  world.add_loop(*loop);
  secure_net = std::make_unique<SecureNet>(*net, driver, tls);
  deliverer = std::make_unique<Deliverer>(*loop, *secure_net, *secure_net, *this, *this, options);
  deliverer->set_work_source(*this);
  policy->sources = {{IpAddress{}, "out.example"}};
}

DeliverWorld::~DeliverWorld() {
  EXPECT_EQ(network.zero_copy_violations(), 0U);
  EXPECT_EQ(net->chunks_lent(), 0U);
  EXPECT_EQ(net->streams_open(), 0U);
}

TestHost& DeliverWorld::add_host(const std::string& address, HostManners manners) {
  const SocketAddress at{*IpAddress::parse(address), 25};
  hosts.push_back(std::make_unique<TestHost>(world, network, mailroom, at, std::move(manners)));
  return *hosts.back();
}

void DeliverWorld::add_route(const std::string& name, std::uint16_t preference,
                             const std::string& address) {
  RouteHost host;
  host.name = name;
  host.preference = preference;
  host.addresses.push_back(*IpAddress::parse(address));
  route->hosts.push_back(host);
}

std::size_t DeliverWorld::add_message(const std::string& content,
                                      std::vector<std::string> recipients) {
  Message& message = messages.emplace_back();
  message.content = content + "\r\n.\r\n";
  message.addresses = std::move(recipients);
  for (const std::string& address : message.addresses) {
    message.recipients.push_back({address, {}, 0});
    const auto index = static_cast<std::uint32_t>(message.job.recipients.size());
    message.job.recipients.emplace_back().index = index;
  }
  // Two ranges, so that sends are made of several pieces.
  const auto half = static_cast<std::uint32_t>(message.content.size() / 2);
  message.kept = {{0, half}, {half, static_cast<std::uint32_t>(message.content.size())}};
  queued.push_back(messages.size() - 1);
  return messages.size() - 1;
}

bool DeliverWorld::run() {
  const bool ended_all = run_until([&] { return deliverer->sessions_open() == 0; });
  world.run_for(Duration::seconds(1));  // last words are still on their way
  return ended_all;
}

void DeliverWorld::resolve(RouteQuery& query) {
  query.start();
  if (policy->backup != nullptr && query.policy == policy->backup) {
    query.route = backup_route;
  } else if (route->hosts.empty()) {
    query.failure = route_failure;
    query.failure_text = "no such domain";
  } else {
    query.route = route;
  }
  // In flight until the world says so, as with a look-up that is answered later.
  world.after(Duration::milliseconds(1),
              [&query, this] { static_cast<sim::SimDriver&>(loop->driver()).finish(query, 0); });
}

void DeliverWorld::open(Job& job) {
  job.opened.start();
  for (Message& message : messages) {
    if (&message.job == &job) {
      job.view.envelope.reverse_path = "sender@example.net";
      job.view.envelope.recipients = message.recipients;
      job.view.envelope.smtputf8 = message.smtputf8;
      job.view.content.dot_lines = message.dot_lines;
      job.view.content.size = static_cast<std::uint32_t>(message.content.size() - 3);
      job.view.content.wire_bytes = static_cast<std::uint32_t>(message.content.size());
      job.view.content.eight_bit =
          std::any_of(message.content.begin(), message.content.end(),
                      [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
      job.view.prefix = message.prefix;
      job.view.body = message.content;
      job.view.kept = message.kept;
    }
  }
  world.after(open_delay, [&job, this] {
    static_cast<sim::SimDriver&>(loop->driver()).finish(job.opened, open_result);
  });
}

Job* DeliverWorld::take(QueueId queue, Now) {
  EXPECT_TRUE(queue.value == kQueue || queue.value == kOther);
  std::deque<std::size_t>& waiting = queue.value == kQueue ? queued : others_queued;
  if (waiting.empty()) {
    return nullptr;
  }
  Message& message = messages[waiting.front()];
  waiting.pop_front();
  ++message.taken;
  return &message.job;
}

void DeliverWorld::finished(Job& job, Now) {
  for (std::size_t number = 0; number < messages.size(); ++number) {
    Message& message = messages[number];
    if (&message.job == &job) {
      ++message.finished;
      message.outcomes.clear();
      message.texts.clear();
      for (const JobRecipient& recipient : job.recipients) {
        EXPECT_NE(recipient.outcome.kind, OutcomeKind::pending);
        message.outcomes.push_back(recipient.outcome);
        message.texts.emplace_back(job.text_of(recipient.outcome.text));
      }
      message.facts = job.facts;
      if (requeues_returned && message.outcomes[0].kind == OutcomeKind::returned) {
        for (JobRecipient& recipient : job.recipients) {
          recipient.outcome = {};
        }
        queued.push_front(number);
      }
    }
  }
}

void DeliverWorld::session_ended(QueueId queue, SessionEnd end, const Outcome& failure,
                                 const SessionFailure& at, Now) {
  ended.push_back(
      {end, failure, std::string(at.text), queue.value, std::string(at.host), at.remote});
}

void DeliverWorld::session_established(QueueId, Now) { ++established; }

}  // namespace ringpost::deliver
