/* Warnings as text, for the events that carry them. */
#ifndef SPV_SPV_EFFECTS_WARNING_TEXT_H
#define SPV_SPV_EFFECTS_WARNING_TEXT_H

#include "spv/node.h"

/* The text of a warning, without its numbers. Static. */
const char *spv_warning_text(enum spv_warning warning);

#endif
