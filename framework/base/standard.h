/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard input, output and error of a program, from its beginning to its end. */
#ifndef HW_STANDARD_H
#define HW_STANDARD_H

/* First in main(). Descriptors 0 to 2 that are closed would otherwise become something that is
 * written into: what takes their place fails when it is used. As many descriptors as the hard limit
 * allows are made usable. */
void hw_standard_begin(void);
/* Last in main(): what stdout still holds is written. The exit status to end with: `status`, or 1
 * with a line on stderr when it could not be written. A reader that left is no failure. */
int hw_standard_end(int status);

#endif
