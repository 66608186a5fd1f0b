// SPDX-License-Identifier: MIT
// Whether this is a build with the address sanitizer. Its leak checker is a thread that traces the process at its very end.
#ifndef COMMON_BASE_SANITIZER_H
#define COMMON_BASE_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__) // gcc
#define HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif
#if !defined(HAS_ADDRESS_SANITIZER)
#define HAS_ADDRESS_SANITIZER 0
#endif

#endif
