#include "core/app/users.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <memory>

#include "core/base/text.h"

namespace ringpost::app {
namespace {

using BookRef = std::shared_ptr<const auth::UserBook>;

constexpr std::size_t kFileBytesMax = std::size_t{16} << 20;

/// Adds the file's text; false: it cannot be read, `fault` says why.
bool read_file(const std::string& path, SecretText& out, std::string& fault) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat facts = {};
  if (file < 0 || ::fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode) ||
      static_cast<std::size_t>(facts.st_size) > kFileBytesMax) {
    fault = file < 0 ? Error::from_errno(errno, "open").describe()
                     : std::string("no plain file, or over 16 MiB long");
    if (file >= 0) {
      ::close(file);
    }
    return false;
  }
  std::string text;
  std::array<char, 65536> room;
  ssize_t count = 0;
  while ((count = ::read(file, room.data(), room.size())) > 0) {
    text.append(room.data(), static_cast<std::size_t>(count));
  }
  fault = count < 0 ? Error::from_errno(errno, "read").describe() : std::string();
  ::close(file);
  out.assign(text);
  wipe(text.data(), text.size());
  wipe(room.data(), room.size());
  return count == 0;
}

class Books {
 public:
  Books(const config::Snapshot& snapshot, RulesOfSources& sources, std::vector<std::string>& faults)
      : snapshot_(snapshot), sources_(sources), faults_(faults) {}

  /// Of a file; of all for an empty name.
  BookRef book(const std::string& path) {
    const auto known = books_.find(path);
    if (known != books_.end()) {
      return known->second;
    }
    auto made = std::make_shared<auth::UserBook>();
    if (path.empty()) {
      add_configured(*made);
    }
    const std::string file = path.empty() ? std::string(snapshot_.global().auth_file) : path;
    if (!file.empty()) {
      add_file(file, *made);
    }
    return books_[path] = made->empty() ? nullptr : made;
  }

 private:
  std::uint32_t rules_of(std::string_view source) {
    const config::SourceId id = snapshot_.find_source(source);
    return id == config::kNoSource ? ingest::kSameRules : sources_.rules_of(id);
  }

  void add_configured(auth::UserBook& book) {
    for (const config::SmtpUser& user : snapshot_.smtp_users()) {
      const std::string place = snapshot_.place(user.origin) + ": user " + std::string(user.name);
      auth::User made;
      if (auto proved = add_proof(user, made); !proved) {
        if (user.method == config::UserMethod::password) {  // check_users() tells of the others
          faults_.push_back(place + ": " + proved.error().detail);
        }
        continue;
      }
      made.name = user.name;
      made.rules = rules_of(user.source.empty() ? "{auth}" : user.source);
      if (made.method != auth::LoginMethod::password || !user.password.empty()) {
        book.add(std::move(made));  // of one without a password the configuration's check told
      }
    }
  }

  static Status add_proof(const config::SmtpUser& user, auth::User& out) {
    switch (user.method) {
      case config::UserMethod::system: out.method = auth::LoginMethod::system; return {};
      case config::UserMethod::certificate: {
        auto read = user_certificates(user);
        if (!read) {
          return read.error();
        }
        out.method = auth::LoginMethod::certificate;
        out.certificates = std::move(read->digests);
        return {};
      }
      case config::UserMethod::password: break;
    }
    auto secret = auth::StoredSecret::parse(user.password.reveal());
    if (!secret) {
      return secret.error();
    }
    out.secret = std::move(*secret);
    return {};
  }

  void add_file(const std::string& file, auth::UserBook& book) {
    SecretText text;
    std::string fault;
    if (!read_file(file, text, fault)) {
      faults_.push_back("users file " + file + ": " + fault + "; its users cannot authenticate");
      return;
    }
    book.read(text.reveal(), file, rules_of("{auth}"), false, faults_);
  }

  const config::Snapshot& snapshot_;
  RulesOfSources& sources_;
  std::vector<std::string>& faults_;
  std::map<std::string, BookRef> books_;
};

}  // namespace

Result<auth::UserCertificates> user_certificates(const config::SmtpUser& user) {
  const std::string file(user.certificate);
  const std::string place = "tls-certificate " + file + ": ";
  if (file.empty()) {
    return Error::of(ErrorCode::invalid, "the user has no tls-certificate");
  }
  SecretText text;  // a key may lie beside
  std::string fault;
  if (!read_file(file, text, fault)) {
    return Error::of(ErrorCode::invalid, place + fault);
  }
  auto read = auth::read_certificates(text.reveal());
  return read ? read : Error::of(ErrorCode::invalid, place + read.error().detail);
}

void attach_users(const config::Snapshot& snapshot, RulesOfSources& sources,
                  std::vector<ingest::SourcePolicy>& policies, std::vector<std::string>& faults) {
  Books books(snapshot, sources, faults);
  // By number: a source named by a user may add its rules, and so its policies, on the way.
  for (std::size_t i = 0; i < policies.size(); ++i) {
    if (policies[i].auth.any()) {
      BookRef book = books.book(policies[i].users_file);
      policies[i].users = std::move(book);
    }
  }
}

}  // namespace ringpost::app
