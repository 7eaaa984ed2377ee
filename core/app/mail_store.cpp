#include "core/app/mail_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr std::size_t kNameBytesMax = 200;

/// Closes a file when left; all calls give 0 or negative errno.
class File {
 public:
  File(const std::string& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, kFileMode)) {
    error_ = fd_ < 0 ? -errno : 0;
  }
  ~File() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int error() const { return error_; }
  int fd() const { return fd_; }
  int write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
      if (count < 0 && errno != EINTR) {
        return -errno;
      }
      bytes.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    return 0;
  }
  int sync() const { return ::fsync(fd_) == 0 ? 0 : -errno; }

 private:
  int fd_;
  int error_ = 0;
};

int sync_folder(const std::string& folder) {
  const File file(folder, O_RDONLY | O_DIRECTORY);
  return file.error() != 0 ? file.error() : file.sync();
}

// Under another name until it is whole and synced. The name is that of message and recipient, so
// that an attempt that is repeated after a crash replaces its own file.
int write_new(const std::string& folder, const std::string& name, std::string_view content) {
  const std::string unfinished = folder + "/." + name + ".part";
  {
    const File file(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    int result = file.error();
    result = result == 0 ? file.write(content) : result;
    result = result == 0 ? file.sync() : result;
    if (result != 0) {
      ::unlink(unfinished.c_str());
      return result;
    }
  }
  if (::rename(unfinished.c_str(), (folder + "/" + name).c_str()) != 0) {
    const int result = -errno;
    ::unlink(unfinished.c_str());
    return result;
  }
  return sync_folder(folder);
}

// Whole or not at all: what a failure leaves behind is cut off again.
int append_to(const std::string& folder, const std::string& name, std::string_view content) {
  const std::string path = folder + "/" + name;
  const bool is_new = ::access(path.c_str(), F_OK) != 0;
  const File file(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW);
  if (file.error() != 0) {
    return file.error();
  }
  if (::flock(file.fd(), LOCK_EX) != 0) {
    return -errno;
  }
  struct stat before {};
  if (::fstat(file.fd(), &before) != 0) {
    return -errno;
  }
  int result = 0;
  char last = '\n';
  if (before.st_size > 0 && ::pread(file.fd(), &last, 1, before.st_size - 1) == 1 && last != '\n') {
    result = file.write("\n\n");  // a crash may have cut the mail before this one
  }
  result = result == 0 ? file.write(content) : result;
  result = result == 0 ? file.sync() : result;
  if (result != 0 && ::ftruncate(file.fd(), before.st_size) != 0) {
    return -errno;
  }
  return result == 0 && is_new ? sync_folder(folder) : result;
}

/// `From sender Sat Nov 21 11:26:07 2026`, then the mail, lines that could be taken for such a one
/// marked (mboxrd), then an empty line.
std::string mailbox_entry(std::string_view sender, std::string_view content, WallTime now) {
  const std::time_t seconds = static_cast<std::time_t>(now.unix_seconds());
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char date[40];
  const std::size_t size = std::strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", &parts);
  std::string out = "From ";
  out.append(sender.empty() ? "MAILER-DAEMON" : sender).append(" ").append(date, size).append("\n");
  while (!content.empty()) {
    const std::size_t end = std::min(content.find('\n'), content.size() - 1);
    const std::string_view line = content.substr(0, end + 1);
    content.remove_prefix(end + 1);
    const std::size_t marks = std::min(line.find_first_not_of('>'), line.size());
    out.append(line.substr(marks).starts_with("From ") ? ">" : "").append(line);
  }
  return out.append("\n");
}

void settle(deliver::StoreOp& op, JobRecipient& recipient, std::string_view text) {
  recipient.outcome.kind = OutcomeKind::delivered;
  recipient.outcome.phase = Phase::content;
  recipient.outcome.status = {2, 0, 0};
  recipient.outcome.text = op.job->keep_text(text);
}

std::string file_name(const Job& job, const JobRecipient& recipient) {
  return job.view.id.text() + "." + std::to_string(recipient.index) + ".eml";
}

std::int32_t write_files(deliver::StoreOp& op) {
  const LocalDelivery& how = *op.how;
  Job& job = *op.job;
  const Envelope& envelope = job.view.envelope;
  const bool mailbox = how.form == LocalDelivery::Form::mailbox;
  const std::string content = plain_content(job, mailbox ? "\n" : "\r\n");
  const auto fail = [&](int result) {
    op.reason =
        "cannot write into " + how.folder + ": " + std::string(text_of(code_from_errno(-result)));
    return result;
  };
  if (how.form == LocalDelivery::Form::pickup && !job.recipients.empty()) {
    std::string head = "x-sender: " + std::string(envelope.reverse_path) + "\r\n";
    for (const JobRecipient& recipient : job.recipients) {
      head.append("x-receiver: ")
          .append(envelope.recipients[recipient.index].address)
          .append("\r\n");
    }
    const std::string name = file_name(job, job.recipients.front());
    if (const int result = write_new(how.folder, name, head + content); result != 0) {
      return fail(result);
    }
    for (JobRecipient& recipient : job.recipients) {
      settle(op, recipient, "stored as " + how.folder + "/" + name);
    }
    return 0;
  }
  for (JobRecipient& recipient : job.recipients) {
    const std::string name =
        mailbox ? mailbox_name(envelope.recipients[recipient.index].address) + ".mbox"
                : file_name(job, recipient);
    const int result =
        mailbox ? append_to(how.folder, name, mailbox_entry(envelope.reverse_path, content, op.now))
                : write_new(how.folder, name, content);
    if (result != 0) {
      return fail(result);
    }
    settle(op, recipient, "stored as " + how.folder + "/" + name);
  }
  return 0;
}

std::int32_t work(void* context) {
  auto& op = *static_cast<deliver::StoreOp*>(context);
  return op.how->way == DeliveryWay::pipe ? give_to_command(op) : write_files(op);
}

}  // namespace

void ThreadMailStore::store(deliver::StoreOp& op) {
  op.work = &work;
  op.context = &op;
  worker_.run(op);
}

std::string plain_content(const Job& job, std::string_view lines) {
  std::string wire = job.signature;
  wire.append(job.view.prefix);
  for (const ByteRange& range : job.view.kept) {
    wire.append(job.view.body.substr(range.begin, range.size()));
  }
  std::string plain;
  plain.reserve(wire.size());
  std::string_view rest = wire;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find("\r\n"), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 2, rest.size()));
    if (line == "." && rest.empty()) {
      break;
    }
    line.remove_prefix(line.starts_with('.') ? 1 : 0);
    plain.append(line).append(lines);
  }
  return plain;
}

std::string mailbox_name(std::string_view address) {
  static constexpr std::string_view kPlain = "@+-_=.";
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string name;
  for (const char c : address) {
    const char lower = ascii_lower(c);
    const auto octet = static_cast<unsigned char>(c);
    const bool letter = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
    if (letter || (kPlain.find(c) != std::string_view::npos && !(c == '.' && name.empty()))) {
      name += lower;
    } else {
      name.append("%").append(1, kHex[octet >> 4]).append(1, kHex[octet & 15]);
    }
  }
  if (name.size() > kNameBytesMax) {
    const std::string hash = std::to_string(hash64(name));
    name.resize(kNameBytesMax);
    name.append("~").append(hash);
  }
  return name;
}

}  // namespace ringpost::app
