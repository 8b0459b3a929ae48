// No exception of C++ may cross into Rust: what is called from there returns null, or the text of what was thrown.

#pragma once

#include <c10/util/Exception.h>

#include <cstring>
#include <exception>

template <typename Work>
char *guarded(Work work) {
  try {
    work();
    return nullptr;
  } catch (const c10::Error &error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown exception");
  }
}
