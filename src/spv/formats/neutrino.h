/* neutrino's chainimport begins its files with the magic (u32 little-endian: the bytes of the
 * wire), version 0, the type of the headers, the height of the first one (u32 little-endian). */
#ifndef SPV_SPV_FORMATS_NEUTRINO_H
#define SPV_SPV_FORMATS_NEUTRINO_H

#define SPV_NEUTRINO_HEAD 10
#define SPV_NEUTRINO_BLOCK_HEADERS 0
#define SPV_NEUTRINO_FILTER_HEADERS 1

#endif
