/* Message, name and class of each error, from the table of spv/error.h; the library's version. */
#include "spv/error.h"

#include "spv/version.h"

const char *spv_strerror(int err)
{
    switch (err) {
    case SPV_OK:
        return "success";
#define X_MESSAGE(name, value, class, message)                                                     \
    case SPV_ERR_##name:                                                                           \
        return message;
        SPV_ERRORS(X_MESSAGE)
#undef X_MESSAGE
    }
    return "unknown error";
}

const char *spv_err_name(int err)
{
    switch (err) {
    case SPV_OK:
        return "OK";
#define X_NAME(name, value, class, message)                                                        \
    case SPV_ERR_##name:                                                                           \
        return #name;
        SPV_ERRORS(X_NAME)
#undef X_NAME
    }
    return "UNKNOWN";
}

enum spv_err_class spv_err_class_of(int err)
{
    switch (err) {
    case SPV_OK:
        return SPV_CLASS_NONE;
#define X_CLASS(name, value, class, message)                                                       \
    case SPV_ERR_##name:                                                                           \
        return SPV_CLASS_##class;
        SPV_ERRORS(X_CLASS)
#undef X_CLASS
    }
    return SPV_CLASS_CALLER;
}

const char *spv_version(void)
{
    return SPV_VERSION;
}
