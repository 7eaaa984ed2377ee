#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "net/sign/signing_key.h"

// Key files: the only place of the room that touches the file system.

namespace ringpost::sign {
namespace {

// The longest key taken is about 3.3 KiB; comments may stand around it.
constexpr std::size_t kFileBytesMax = 64U << 10;

// A file's text, wiped when done with.
class SecretText {
 public:
  SecretText() = default;
  ~SecretText() { OPENSSL_cleanse(room_.data(), room_.size()); }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;

  // False with errno set, or 0 where the file is too long.
  bool read_from(int file) {
    for (;;) {
      const ssize_t count = ::read(file, room_.data() + size_, room_.size() - size_);
      if (count == 0) {
        return true;
      }
      if (count < 0 && errno != EINTR) {
        return false;
      }
      size_ += count > 0 ? static_cast<std::size_t>(count) : 0;
      if (size_ == room_.size()) {
        errno = 0;
        return false;
      }
    }
  }
  std::string_view view() const { return {room_.data(), size_}; }

 private:
  std::array<char, kFileBytesMax> room_;
  std::size_t size_ = 0;
};

class OpenFile {
 public:
  explicit OpenFile(const std::string& path)
      : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  ~OpenFile() {
    if (number_ >= 0) {
      ::close(number_);
    }
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int number() const { return number_; }

 private:
  int number_ = -1;
};

void add_warnings(const std::string& path, mode_t mode, LoadedKey& loaded) {
  const SigningKey& key = *loaded.key;
  if (key.algorithm() == Algorithm::rsa_sha256 && key.bits() < kRsaBitsGood) {
    loaded.warnings.push_back("key file " + path + " has " + std::to_string(key.bits()) +
                              " bits only; some receivers ignore it, use 2048");
  }
  if ((mode & (S_IROTH | S_IWOTH)) != 0) {
    loaded.warnings.push_back("key file " + path + " can be " +
                              ((mode & S_IROTH) != 0 ? "read" : "written") +
                              " by every user; mend it: chmod 640 " + path);
  }
}

}  // namespace

Result<LoadedKey> load_key_file(const std::string& path) {
  const OpenFile file(path);
  if (file.number() < 0) {
    return Error::from_errno(errno, "open key file " + path);
  }
  struct stat facts = {};
  if (::fstat(file.number(), &facts) != 0) {
    return Error::from_errno(errno, "look at key file " + path);
  }
  if (!S_ISREG(facts.st_mode)) {
    return Error::of(ErrorCode::invalid, "key file " + path + " is no plain file");
  }
  const auto text = std::make_unique<SecretText>();
  if (!text->read_from(file.number())) {
    return errno != 0 ? Error::from_errno(errno, "read key file " + path)
                      : Error::of(ErrorCode::invalid, "key file " + path + " is over 64 KiB long");
  }
  Result<std::shared_ptr<const SigningKey>> key = SigningKey::from_pem(text->view());
  if (!key.ok()) {
    return Error::of(key.error().code, "key file " + path + " " + key.error().detail);
  }
  LoadedKey loaded;
  loaded.key = *key;
  add_warnings(path, facts.st_mode, loaded);
  return loaded;
}

}  // namespace ringpost::sign
