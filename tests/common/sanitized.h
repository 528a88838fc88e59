/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether this is built with a sanitizer, which replaces malloc(3), and makes each step more
 * expensive. */
#ifndef HW_SANITIZED_H
#define HW_SANITIZED_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HW_SANITIZED_MEMORY
#endif
#if __has_feature(thread_sanitizer)
#define HW_SANITIZED_THREADS
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define HW_SANITIZED_MEMORY
#endif
#if defined(__SANITIZE_THREAD__)
#define HW_SANITIZED_THREADS
#endif
#if defined(HW_SANITIZED_MEMORY) || defined(HW_SANITIZED_THREADS)
#define HW_SANITIZED
#endif

/* Before a syscall(2) of ours, which reads six arguments, as that of libc does, though its caller
 * may have passed fewer. */
#define HW_READS_SIX_ARGUMENTS __attribute__((no_sanitize("address")))

#endif
