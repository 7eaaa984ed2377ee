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
      if (user.password.empty()) {
        continue;  // the configuration's check said so
      }
      auto secret = auth::StoredSecret::parse(user.password.reveal());
      if (!secret.ok()) {
        faults_.push_back(place + ": " + secret.error().detail);
        continue;
      }
      const std::string_view source = user.source.empty() ? "{auth}" : user.source;
      book.add({std::string(user.name), std::move(*secret), rules_of(source)});
    }
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
