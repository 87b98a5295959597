/* The export macro. Only functions with SPV_API are visible in the shared libraries. Static builds
 * and sources inside the tree define SPV_STATIC. */
#ifndef SPV_EXPORT_H
#define SPV_EXPORT_H

#if defined(__GNUC__) && !defined(SPV_STATIC)
#define SPV_API __attribute__((visibility("default")))
#else
#define SPV_API
#endif

#endif
