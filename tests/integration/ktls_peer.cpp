// Mail from ringpostd to servers of OpenSSL, for a kernel that can encrypt TLS: the program that
// scripts/ktls-vm-test runs inside its machine. It starts the daemon, hands it small and large
// messages, receives them over many kinds of TLS, compares each octet, and holds what the daemon
// says (BIO_get_ktls_send) against what the kernel counted (/proc/net/tls_stat).
//
//   ktls_peer FOLDER_OF_PROGRAMS FOLDER_ON_A_DISK

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/wire/test_certificates.h"

namespace {

using std::chrono::seconds;

std::atomic<int> g_failures{0};

void check(bool good, const std::string& what) {
  std::printf("%s: %s\n", good ? "ok" : "FAILED", what.c_str());
  g_failures += good ? 0 : 1;
}

bool wait_for(const std::function<bool()>& condition, seconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

/// A connection in lines, in clear first and perhaps encrypted later.
class Lines {
 public:
  explicit Lines(int socket) : socket_(socket) {}
  ~Lines() {
    SSL_free(ssl_);
    ::close(socket_);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  bool secure(SSL_CTX* context) {
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, socket_);
    return SSL_accept(ssl_) == 1;
  }
  SSL* ssl() { return ssl_; }
  bool next(std::string& line) {
    std::size_t end = 0;
    while ((end = in_.find("\r\n", from_)) == std::string::npos) {
      in_.erase(0, from_);
      from_ = 0;
      char room[65536];
      const auto got = ssl_ == nullptr ? ::recv(socket_, room, sizeof room, 0)
                                       : SSL_read(ssl_, room, static_cast<int>(sizeof room));
      if (got <= 0) {
        return false;
      }
      in_.append(room, static_cast<std::size_t>(got));
    }
    line = in_.substr(from_, end - from_);
    from_ = end + 2;
    return true;
  }
  void say(const std::string& text) {
    std::size_t sent = 0;
    while (sent < text.size()) {
      const auto left = text.size() - sent;
      const auto put = ssl_ == nullptr
                           ? ::send(socket_, text.data() + sent, left, MSG_NOSIGNAL)
                           : SSL_write(ssl_, text.data() + sent, static_cast<int>(left));
      if (put <= 0) {
        return;
      }
      sent += static_cast<std::size_t>(put);
    }
  }

 private:
  int socket_;
  SSL* ssl_ = nullptr;
  std::string in_;
  std::size_t from_ = 0;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int listening(std::uint16_t& port, int receive_bytes) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (receive_bytes > 0) {
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  }
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::listen(socket, 16) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    std::perror("listen");
    std::exit(1);
  }
  port = ntohs(address.sin_port);
  return socket;
}

/// One kind of receiver.
struct Kind {
  const char* name;
  int version;
  const char* ciphers;  ///< of that version
  bool by_kernel;       ///< what the daemon sends to it
  bool slow = false;    ///< stops reading within large messages
  bool update = false;  ///< wants new keys after a message, which the kernel cannot give
};

constexpr Kind kKinds[] = {
    {"v13-aes128", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", true},
    {"v13-aes256", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", true},
    {"v13-chacha", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", true},
    {"v12-aes256", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", true},
    {"v12-cbc", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", false},
    {"slow", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", true, true},
    {"update", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", true, false, true},
};

class Receiver {
 public:
  Receiver(const Kind& kind, const std::string& certificate)
      : kind_(kind), context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_set_min_proto_version(context_, kind.version);
    SSL_CTX_set_max_proto_version(context_, kind.version);
    const bool set =
        SSL_CTX_use_certificate_chain_file(context_, certificate.c_str()) == 1 &&
        SSL_CTX_use_PrivateKey_file(context_, certificate.c_str(), SSL_FILETYPE_PEM) == 1 &&
        (kind.version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(context_, kind.ciphers)
                                        : SSL_CTX_set_cipher_list(context_, kind.ciphers)) == 1;
    listener_ = listening(port_, kind.slow ? 32 * 1024 : 0);
    check(set, std::string(kind.name) + ": server of " + kind.ciphers);
    std::thread([this] { accept_all(); }).detach();
  }

  const Kind& kind() const { return kind_; }
  std::uint16_t port() const { return port_; }
  int sessions() const { return sessions_; }
  std::size_t messages() {
    const std::lock_guard lock(mutex_);
    return bodies_.size();
  }
  bool holds(const std::string& subject, const std::string& body) {
    const std::lock_guard lock(mutex_);
    const auto found = bodies_.find(subject);
    return found != bodies_.end() && found->second == body;
  }

 private:
  void accept_all() {
    while (true) {
      const int client = ::accept(listener_, nullptr, nullptr);
      if (client < 0) {
        return;
      }
      std::thread([this, client] { serve(client); }).detach();
    }
  }
  void serve(int client) {
    Lines lines(client);
    lines.say("220 receiver.test ESMTP\r\n");
    std::string line;
    while (lines.next(line)) {
      const std::string word = line.substr(0, 4);
      if (word == "EHLO") {
        lines.say(lines.ssl() == nullptr ? "250-receiver.test\r\n250 STARTTLS\r\n"
                                         : "250-receiver.test\r\n250 PIPELINING\r\n");
      } else if (word == "STAR") {
        lines.say("220 go ahead\r\n");
        if (!lines.secure(context_)) {
          return;
        }
        ++sessions_;
      } else if (word == "DATA") {
        lines.say("354 go ahead\r\n");
        if (!take_content(lines)) {
          return;
        }
      } else if (word == "QUIT") {
        lines.say("221 bye\r\n");
        return;
      } else {
        lines.say("250 ok\r\n");
      }
    }
  }
  bool take_content(Lines& lines) {
    std::string subject;
    std::string body;
    std::string line;
    bool in_body = false;
    while (true) {
      if (!lines.next(line)) {
        return false;
      }
      if (line == ".") {
        break;
      }
      if (!line.empty() && line[0] == '.') {
        line.erase(0, 1);
      }
      if (in_body) {
        body.append(line).append("\n");
        if (kind_.slow && body.size() > 500'000 && body.size() < 500'080) {
          std::this_thread::sleep_for(seconds(1));
        }
      } else if (line.empty()) {
        in_body = true;
      } else if (line.rfind("Subject: ", 0) == 0) {
        subject = line.substr(9);
      }
    }
    {
      const std::lock_guard lock(mutex_);
      bodies_[subject] = body;
    }
    lines.say("250 kept\r\n");
    if (kind_.update) {
      SSL_key_update(lines.ssl(), SSL_KEY_UPDATE_REQUESTED);
      SSL_do_handshake(lines.ssl());
    }
    return true;
  }

  const Kind& kind_;
  SSL_CTX* context_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> sessions_{0};
  std::mutex mutex_;
  std::map<std::string, std::string> bodies_;
};

std::string body_of(std::size_t size, unsigned seed) {
  std::minstd_rand random(seed);
  std::string body;
  while (body.size() < size) {
    std::string line(1 + random() % 76, 'x');
    for (char& c : line) {
      c = static_cast<char>('!' + random() % 90);  // lines that begin with a dot among them
    }
    body.append(line).append("\n");
  }
  return body;
}

/// Hands the daemon one message; false when it is not accepted.
bool inject(Lines& lines, const std::string& domain, const std::string& subject,
            const std::string& body) {
  std::string content = "Subject: " + subject + "\r\n\r\n";
  std::size_t from = 0;
  while (from < body.size()) {
    const std::size_t end = body.find('\n', from);
    content.append(body[from] == '.' ? "." : "").append(body, from, end - from).append("\r\n");
    from = end + 1;
  }
  const std::string steps[] = {"MAIL FROM:<a@mta.test>\r\n", "RCPT TO:<b@" + domain + ">\r\n",
                               "DATA\r\n", content + ".\r\n"};
  for (const std::string& step : steps) {
    lines.say(step);
    std::string reply;
    if (!lines.next(reply) || (reply[0] != '2' && reply[0] != '3')) {
      std::printf("refused: %s\n", reply.c_str());
      return false;
    }
  }
  return true;
}

int connected(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(socket);
    return -1;
  }
  return socket;
}

/// ringpostd with one domain for each receiver.
class Daemon {
 public:
  Daemon(std::string programs, std::string folder) : programs_(std::move(programs)) {
    control_ = folder + "/control";
    configuration_ = folder + "/ringpost.conf";
    std::uint16_t port = 0;
    ::close(listening(port, 0));
    port_ = port;
    text_ =
        "host-name mta.test\nshards 1\nmax-message-size 12M\nspool-segment-size 16M\n"
        "smtp-listener 127.0.0.1:" +
        std::to_string(port_) + "\nspool " + folder + "/spool\ncontrol-socket " + control_ +
        "\n<source 127.0.0.1>\n  always-allow-relaying yes\n</source>\n";
  }
  void route(const std::string& domain, std::uint16_t port) {
    text_ += "<domain " + domain + ">\n  route [127.0.0.1]:" + std::to_string(port) +
             "\n  require-starttls yes\n</domain>\n";
  }
  void start() {
    std::ofstream(configuration_) << text_;
    child_ = ::fork();
    if (child_ == 0) {
      const std::string program = programs_ + "/ringpostd";
      ::execl(program.c_str(), "ringpostd", "-c", configuration_.c_str(), nullptr);
      std::_Exit(127);
    }
  }
  int connect() {
    int socket = -1;
    wait_for([&] { return (socket = connected(port_)) >= 0; }, seconds(60));
    return socket;
  }
  /// A counter of `ringpost status`; -1 where there is no such line.
  long counter(const std::string& name) const {
    const std::string command = programs_ + "/ringpost status --json --control " + control_;
    std::FILE* const pipe = ::popen(command.c_str(), "r");
    std::string text;
    char room[4096];
    while (const std::size_t size = std::fread(room, 1, sizeof room, pipe)) {
      text.append(room, size);
    }
    ::pclose(pipe);
    std::size_t at = text.find('"' + name + '"');
    if (at == std::string::npos) {
      std::printf("%s\n", text.c_str());
      return -1;
    }
    at = text.find_first_of("0123456789", at + name.size() + 2);
    return std::strtol(text.c_str() + at, nullptr, 10);
  }
  bool stop() {
    ::kill(child_, SIGTERM);
    int status = -1;
    ::waitpid(child_, &status, 0);
    return status == 0;
  }

 private:
  std::string programs_;
  std::string control_;
  std::string configuration_;
  std::string text_;
  std::uint16_t port_ = 0;
  ::pid_t child_ = -1;
};

long kernel_counter(const std::string& name) {
  std::ifstream in("/proc/net/tls_stat");
  std::string key;
  long value = 0;
  while (in >> key >> value) {
    if (key == name) {
      return value;
    }
  }
  return -1;
}

struct Letter {
  Receiver* receiver;
  std::string subject;
  std::string body;
};

void hand_over(Daemon& daemon, const std::vector<Letter>& letters) {
  const int socket = daemon.connect();
  if (socket < 0) {
    check(false, "the daemon takes connections");
    return;
  }
  Lines lines(socket);
  std::string greeting;
  lines.next(greeting);
  lines.say("HELO peer.test\r\n");
  lines.next(greeting);
  bool accepted = true;
  for (const Letter& letter : letters) {
    const std::string domain = std::string(letter.receiver->kind().name) + ".test";
    accepted = accepted && inject(lines, domain, letter.subject, letter.body);
  }
  check(accepted, std::to_string(letters.size()) + " messages accepted");
}

void arrive(const std::vector<Letter>& letters) {
  for (const Letter& letter : letters) {
    check(
        wait_for([&] { return letter.receiver->holds(letter.subject, letter.body); }, seconds(60)),
        letter.subject + " arrived, " + std::to_string(letter.body.size()) + " octets");
  }
}

int run(const std::string& programs, const std::string& folder) {
  ringpost::TestAuthority authority;
  const std::string certificate = authority.issue("receiver.test");
  Daemon daemon(programs, folder);
  std::vector<std::unique_ptr<Receiver>> receivers;
  std::vector<Letter> letters;
  std::vector<Letter> later;
  for (const Kind& kind : kKinds) {
    Receiver& made = *receivers.emplace_back(std::make_unique<Receiver>(kind, certificate));
    const std::string name = kind.name;
    daemon.route(name + ".test", made.port());
    letters.push_back({&made, name + " small", body_of(1000, 1)});
    if (kind.update) {
      later.push_back({&made, name + " later", body_of(20'000, 2)});
    } else {
      letters.push_back({&made, name + " middle", body_of(100'000, 3)});
      letters.push_back({&made, name + " large", body_of(3'000'000, 4)});
    }
  }
  const long before = kernel_counter("TlsTxSw");
  daemon.start();
  hand_over(daemon, letters);
  arrive(letters);
  hand_over(daemon, later);
  arrive(later);
  long by_kernel = 0;
  for (const auto& receiver : receivers) {
    const std::string name = receiver->kind().name;
    check(receiver->sessions() >= (receiver->kind().update ? 2 : 1),
          name + ": " + std::to_string(receiver->sessions()) + " sessions");
    by_kernel += receiver->kind().by_kernel ? receiver->sessions() : 0;
  }
  const long said = daemon.counter("tls_by_kernel");
  const long counted = kernel_counter("TlsTxSw") - before;
  check(said == by_kernel && counted == by_kernel,
        "sessions of kernel encryption: " + std::to_string(by_kernel) + " known, " +
            std::to_string(said) + " by BIO_get_ktls_send, " + std::to_string(counted) +
            " in /proc/net/tls_stat");
  check(daemon.stop(), "the daemon stopped in order");
  std::printf("%s\n", g_failures == 0 ? "KTLS-PASSED" : "KTLS-FAILED");
  return g_failures == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: ktls_peer FOLDER_OF_PROGRAMS FOLDER_ON_A_DISK\n");
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  ::signal(SIGPIPE, SIG_IGN);
  return run(arguments[1], arguments[2]);
}
