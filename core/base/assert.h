#pragma once

namespace ringpost {

/// Called with the failed condition just before the process aborts; a component that keeps a
/// transition ring installs one to print it. One per thread; pass nullptr to remove it.
using AssertHook = void (*)(void* context);
void set_assert_hook(AssertHook hook, void* context) noexcept;

[[noreturn]] void assert_failed(const char* condition, const char* file, int line,
                                const char* note) noexcept;

}  // namespace ringpost

/// A broken invariant is a bug: checked in release builds too, ends the process with its place.
#define RP_ASSERT(condition)                                         \
  do {                                                               \
    if (!(condition)) [[unlikely]] {                                 \
      ::ringpost::assert_failed(#condition, __FILE__, __LINE__, ""); \
    }                                                                \
  } while (false)

/// The same with a sentence on what the broken invariant means.
#define RP_ASSERT_NOTE(condition, note)                                \
  do {                                                                 \
    if (!(condition)) [[unlikely]] {                                   \
      ::ringpost::assert_failed(#condition, __FILE__, __LINE__, note); \
    }                                                                  \
  } while (false)
