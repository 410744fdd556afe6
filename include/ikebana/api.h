/* What leaves the shared library: everything marked so, nothing else. */
#ifndef IKEBANA_API_H
#define IKEBANA_API_H

#if defined(__GNUC__)
#define IKEBANA_API __attribute__((visibility("default")))
#else
#define IKEBANA_API
#endif

#endif
