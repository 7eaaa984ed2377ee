#include "core/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace ringpost {
namespace {

thread_local AssertHook hook_of_thread = nullptr;
thread_local void* hook_context = nullptr;

}  // namespace

void set_assert_hook(AssertHook hook, void* context) noexcept {
  hook_of_thread = hook;
  hook_context = context;
}

void assert_failed(const char* condition, const char* file, int line, const char* note) noexcept {
  std::fprintf(stderr, "%s:%d: invariant broken: %s%s%s\n", file, line, condition,
               *note != '\0' ? ": " : "", note);
  // A hook that itself asserts must not recurse.
  const AssertHook hook = hook_of_thread;
  hook_of_thread = nullptr;
  if (hook != nullptr) {
    hook(hook_context);
  }
  std::fflush(stderr);
  std::abort();
}

}  // namespace ringpost
