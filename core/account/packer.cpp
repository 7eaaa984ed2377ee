#include "core/account/packer.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

namespace ringpost::account {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 17;
constexpr int kGzipLevel = 6;
constexpr int kZstdLevel = 3;
/// Window bits of zlib's deflate plus what asks for the gzip form.
constexpr int kGzipWindow = 15 + 16;

class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0) : path_(path) {
    do {
      file_ = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    } while (file_ < 0 && errno == EINTR);
    error_ = file_ < 0 ? errno : 0;
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (file_ >= 0) {
      ::close(file_);
    }
  }

  Status opened() const { return error_ == 0 ? Status() : failed(error_, "open"); }
  Error failed(int code, const char* what) const {
    return Error::from_errno(code, std::string(what) + " " + path_);
  }
  /// Octets read; 0 at the end.
  Result<std::size_t> read(char* out, std::size_t size) {
    ssize_t got = 0;
    do {
      got = ::read(file_, out, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      return failed(errno, "read");
    }
    return static_cast<std::size_t>(got);
  }
  Status write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t wrote = ::write(file_, bytes.data(), bytes.size());
      if (wrote < 0 && errno == EINTR) {
        continue;
      }
      if (wrote <= 0) {
        return failed(wrote < 0 ? errno : ENOSPC, "write");
      }
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return {};
  }
  Status sync() { return ::fsync(file_) < 0 ? Status(failed(errno, "sync")) : Status(); }

 private:
  std::string path_;
  int file_ = -1;
  int error_ = 0;
};

/// Turns pieces of octets into packed ones, or back; the last piece is said to be so.
class Codec {
 public:
  virtual ~Codec() = default;
  /// Takes `in` whole, appends what comes of it. False: damaged.
  virtual bool feed(std::string_view in, bool last, std::string& out) = 0;
  /// Unpacking: the end was seen.
  virtual bool complete() const { return true; }
};

class PlainCodec final : public Codec {
 public:
  bool feed(std::string_view in, bool, std::string& out) override {
    out.append(in);
    return true;
  }
};

class GzipPacker final : public Codec {
 public:
  GzipPacker() {
    ok_ = ::deflateInit2(&stream_, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) ==
          Z_OK;
  }
  ~GzipPacker() override { ::deflateEnd(&stream_); }
  bool feed(std::string_view in, bool last, std::string& out) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    std::array<char, 16384> room;
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(room.data());
      stream_.avail_out = room.size();
      if (!ok_ || ::deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR) {
        return false;
      }
      out.append(room.data(), room.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
    return true;
  }

 private:
  z_stream stream_{};
  bool ok_ = false;
};

class GzipReader final : public Codec {
 public:
  GzipReader() { ok_ = ::inflateInit2(&stream_, kGzipWindow) == Z_OK; }
  ~GzipReader() override { ::inflateEnd(&stream_); }
  bool feed(std::string_view in, bool, std::string& out) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    std::array<char, 16384> room;
    while (ok_ && !ended_ && (stream_.avail_in > 0 || stream_.avail_out == 0)) {
      stream_.next_out = reinterpret_cast<Bytef*>(room.data());
      stream_.avail_out = room.size();
      const int result = ::inflate(&stream_, Z_NO_FLUSH);
      out.append(room.data(), room.size() - stream_.avail_out);
      ended_ = result == Z_STREAM_END;
      ok_ = result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
      if (result == Z_BUF_ERROR) {
        break;
      }
    }
    return ok_ && (!ended_ || stream_.avail_in == 0);
  }
  bool complete() const override { return ended_; }

 private:
  z_stream stream_{};
  bool ok_ = false;
  bool ended_ = false;
};

class ZstdPacker final : public Codec {
 public:
  ZstdPacker() : context_(::ZSTD_createCCtx()) {
    ::ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kZstdLevel);
    ::ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  }
  ~ZstdPacker() override { ::ZSTD_freeCCtx(context_); }
  bool feed(std::string_view in, bool last, std::string& out) override {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    std::array<char, 16384> room;
    while (true) {
      ZSTD_outBuffer output{room.data(), room.size(), 0};
      const std::size_t left =
          ::ZSTD_compressStream2(context_, &output, &input, last ? ZSTD_e_end : ZSTD_e_continue);
      if (::ZSTD_isError(left) != 0) {
        return false;
      }
      out.append(room.data(), output.pos);
      if (last ? left == 0 : input.pos == input.size) {
        return true;
      }
    }
  }

 private:
  ZSTD_CCtx* context_;
};

class ZstdReader final : public Codec {
 public:
  ZstdReader() : context_(::ZSTD_createDCtx()) {}
  ~ZstdReader() override { ::ZSTD_freeDCtx(context_); }
  bool feed(std::string_view in, bool, std::string& out) override {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    std::array<char, 16384> room;
    bool full = false;
    while (input.pos < input.size || full) {
      ZSTD_outBuffer output{room.data(), room.size(), 0};
      const std::size_t left = ::ZSTD_decompressStream(context_, &output, &input);
      if (::ZSTD_isError(left) != 0) {
        return false;
      }
      out.append(room.data(), output.pos);
      ended_ = left == 0;
      full = output.pos == room.size() && !ended_;
    }
    return true;
  }
  bool complete() const override { return ended_; }

 private:
  ZSTD_DCtx* context_;
  bool ended_ = false;
};

std::unique_ptr<Codec> packer_of(Packing packing) {
  switch (packing) {
    case Packing::gzip: return std::make_unique<GzipPacker>();
    case Packing::zstd: return std::make_unique<ZstdPacker>();
    case Packing::none: break;
  }
  return std::make_unique<PlainCodec>();
}

std::unique_ptr<Codec> reader_of(Packing packing) {
  switch (packing) {
    case Packing::gzip: return std::make_unique<GzipReader>();
    case Packing::zstd: return std::make_unique<ZstdReader>();
    case Packing::none: break;
  }
  return std::make_unique<PlainCodec>();
}

/// The next octets of `file` equal `expected`.
Result<bool> equals_next(File& file, std::string_view expected) {
  std::vector<char> room(kPieceBytes);
  while (!expected.empty()) {
    const auto got = file.read(room.data(), std::min(room.size(), expected.size()));
    if (!got) {
      return got.error();
    }
    if (*got == 0 || expected.substr(0, *got) != std::string_view(room.data(), *got)) {
      return false;
    }
    expected.remove_prefix(*got);
  }
  return true;
}

}  // namespace

std::string_view ending_of(Packing packing) {
  return packing == Packing::gzip ? ".gz" : packing == Packing::zstd ? ".zst" : "";
}

Status pack_file(const std::string& source, const std::string& target, Packing packing,
                 mode_t mode) {
  File in(source, O_RDONLY);
  if (auto opened = in.opened(); !opened) {
    return opened;
  }
  File out(target, O_WRONLY | O_CREAT | O_TRUNC, mode);
  if (auto opened = out.opened(); !opened) {
    return opened;
  }
  const auto codec = packer_of(packing);
  std::vector<char> room(kPieceBytes);
  std::string packed;
  for (bool last = false; !last;) {
    const auto got = in.read(room.data(), room.size());
    if (!got) {
      return got.error();
    }
    last = *got == 0;
    packed.clear();
    if (!codec->feed({room.data(), *got}, last, packed)) {
      return Error::of(ErrorCode::io_failed, "cannot pack " + source);
    }
    if (auto written = out.write(packed); !written) {
      return written;
    }
  }
  return out.sync();
}

Status verify_packed(const std::string& source, const std::string& packed, Packing packing) {
  File original(source, O_RDONLY);
  File in(packed, O_RDONLY);
  for (const File* file : {&original, &in}) {
    if (auto opened = file->opened(); !opened) {
      return opened;
    }
  }
  const auto differs = [&] {
    return Error::of(ErrorCode::damaged, packed + " is not what was packed of " + source);
  };
  const auto codec = reader_of(packing);
  std::vector<char> room(kPieceBytes);
  std::string plain;
  for (bool last = false; !last;) {
    const auto got = in.read(room.data(), room.size());
    if (!got) {
      return got.error();
    }
    last = *got == 0;
    plain.clear();
    if (!last && !codec->feed({room.data(), *got}, false, plain)) {
      return differs();
    }
    const auto equal = equals_next(original, plain);
    if (!equal) {
      return equal.error();
    }
    if (!*equal) {
      return differs();
    }
  }
  char more = 0;
  const auto rest = original.read(&more, 1);
  if (!rest) {
    return rest.error();
  }
  return *rest == 0 && codec->complete() ? Status() : Status(differs());
}

}  // namespace ringpost::account
