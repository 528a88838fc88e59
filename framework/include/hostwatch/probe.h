/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Static probes (USDT): perf(1) and bpftrace(8) can stop at them and read their arguments. A probe
 * is one nop instruction and a note in the file. hostwatch-probes(7) lists those of hostwatch.
 * Without <sys/sdt.h>, or with HW_NO_PROBES, they are empty; arguments are then not evaluated, so
 * they must have no effects.
 */
#ifndef HOSTWATCH_PROBE_H
#define HOSTWATCH_PROBE_H

#if !defined(HW_NO_PROBES) && defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define HW_HAS_PROBES 1
#endif
#endif

#ifdef HW_HAS_PROBES
#define HW_PROBE1(name, a) STAP_PROBE1(hostwatch, name, a)
#define HW_PROBE2(name, a, b) STAP_PROBE2(hostwatch, name, a, b)
#define HW_PROBE3(name, a, b, c) STAP_PROBE3(hostwatch, name, a, b, c)
#define HW_PROBE4(name, a, b, c, d) STAP_PROBE4(hostwatch, name, a, b, c, d)
#else
#define HW_PROBE1(name, a) ((void)sizeof(a))
#define HW_PROBE2(name, a, b) ((void)sizeof(a), (void)sizeof(b))
#define HW_PROBE3(name, a, b, c) ((void)sizeof(a), (void)sizeof(b), (void)sizeof(c))
#define HW_PROBE4(name, a, b, c, d)                                                                \
	((void)sizeof(a), (void)sizeof(b), (void)sizeof(c), (void)sizeof(d))
#endif

#endif
