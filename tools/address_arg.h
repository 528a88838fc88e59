/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses as command line arguments. */
#ifndef HW_ADDRESS_ARG_H
#define HW_ADDRESS_ARG_H

#include <hostwatch/address.h>

/* As hw_address_parse(), after completing a relative path like hostwatchd: below the default
 * directory of sockets of this user. */
int hw_address_arg(const char *text, struct hw_address *ret, const char **ret_error);

#endif
