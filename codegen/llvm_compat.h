/* llvm_compat: all of llvm-c that is used, and what differs between LLVM 18, 19 and 20. */
#ifndef NNC_CODEGEN_LLVM_COMPAT_H
#define NNC_CODEGEN_LLVM_COMPAT_H
#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Config/llvm-config.h>

#if LLVM_VERSION_MAJOR < 18
#error "LLVM 18 or newer is needed"
#endif

/* An array of bytes. The length has 64 bits since 19. */
static inline LLVMValueRef
constant_bytes(LLVMContextRef context, const char *data, size_t length)
{
#if LLVM_VERSION_MAJOR >= 19
    return LLVMConstStringInContext2(context, data, length, true);
#else
    return LLVMConstStringInContext(context, data, (unsigned)length, true);
#endif
}
#endif
