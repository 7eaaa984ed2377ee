#include "net/sign/author.h"

namespace ringpost::sign {
namespace {

class AuthorReader {
 public:
  Author read(std::string_view value) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      const char c = value[i];
      if (c == '\\' && (quoted_ || comments_ > 0) && i + 1 < value.size()) {
        if (quoted_) {
          word_.append(value.substr(i, 2));
        }
        ++i;
      } else if (quoted_) {
        take_quoted(c);
      } else if (comments_ > 0) {
        comments_ += c == '(' ? 1 : 0;
        comments_ -= c == ')' ? 1 : 0;
      } else {
        take(c);
      }
    }
    end_mailbox();
    return author_;
  }

 private:
  void take_quoted(char c) {
    if (c == '\r' || c == '\n') {
      return;  // folding inside a quoted string
    }
    word_.push_back(c);
    quoted_ = c != '"';
  }

  void take(char c) {
    switch (c) {
      case '(':
        ++comments_;
        gap_ = true;
        return;
      case ' ':
      case '\t':
      case '\r':
      case '\n': gap_ = true; return;
      case '<':
        begin_word();
        in_angle_ = true;
        return;
      case '>':
        had_angle_ = in_angle_;
        in_angle_ = false;
        angle_ = word_;
        angle_broken_ = broken_;
        return;
      case ':': begin_word(); return;  // after a route or the name of a group
      case ';': end_mailbox(); return;
      case ',':
        if (!in_angle_) {
          end_mailbox();
          return;
        }
        break;
      default: break;
    }
    // Two words side by side are a display name, or nonsense.
    if (gap_ && !word_.empty() && !joins(word_.back()) && !joins(c)) {
      broken_ = true;
    }
    gap_ = false;
    quoted_ = c == '"';
    word_.push_back(c);
  }

  static bool joins(char c) { return c == '.' || c == '@'; }

  void begin_word() {
    word_.clear();
    gap_ = false;
    broken_ = false;
  }

  void end_mailbox() {
    const bool any = had_angle_ || in_angle_ || !word_.empty();
    if (any && ++author_.count == 1) {
      const bool broken = had_angle_ ? angle_broken_ : broken_ || in_angle_ || quoted_;
      const std::string& address = had_angle_ ? angle_ : word_;
      const auto at = address.rfind('@');
      if (!broken && at != std::string::npos && at > 0 && at + 1 < address.size()) {
        author_.address = address;
      }
    }
    begin_word();
    had_angle_ = false;
    in_angle_ = false;
  }

  Author author_;
  std::string word_;
  std::string angle_;
  int comments_ = 0;
  bool quoted_ = false;
  bool gap_ = false;
  bool broken_ = false;
  bool in_angle_ = false;
  bool had_angle_ = false;
  bool angle_broken_ = false;
};

}  // namespace

Author read_author(std::string_view value) { return AuthorReader().read(value); }

}  // namespace ringpost::sign
