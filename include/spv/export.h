/* The export macro. Only what carries SPV_API is visible in the shared libraries; everything else
 * in libspv is hidden. Static builds and in-tree users define SPV_STATIC. */
#ifndef SPV_EXPORT_H
#define SPV_EXPORT_H

#if defined(__GNUC__) && !defined(SPV_STATIC)
#define SPV_API __attribute__((visibility("default")))
#else
#define SPV_API
#endif

#endif
