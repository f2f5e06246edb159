/* version: what a checkpoint says about the program that wrote it. */
#ifndef NNC_RUNTIME_VERSION_H
#define NNC_RUNTIME_VERSION_H

#ifndef NNC_VERSION
#define NNC_VERSION "0.1.0"     /* project() in the root CMakeLists.txt */
#endif
enum {
    NUMERICS_VERSION = 1,       /* of the numerical contract: equal ones give equal bits */
    CHECKPOINT_VERSION = 1      /* of the layout of metadata */
};
#endif
