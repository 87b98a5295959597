/* Warnings as text, for the events that carry them. */
#ifndef SPV_SPV_EFFECTS_WARNING_TEXT_H
#define SPV_SPV_EFFECTS_WARNING_TEXT_H

#include "spv/node.h"

/* A warning without its figure. Static. */
const char *spv_warning_text(enum spv_warning warning);

#endif
