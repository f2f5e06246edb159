/* jit: the module's functions. A graph is emitted as LLVM IR, made an object file in memory by the host's target machine,
 * and linked by LLJIT, which never has a page that is writable and executable at once. No IR pass is run unless asked
 * for: what is emitted is good already, and compile time is part of the product. */
#include "codegen/emit.h"
#include "codegen/module.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The program's functions: given once, when the module is loaded, before any other call. */
static const struct runtime_function *runtime;

struct code {
    LLVMOrcLLJITRef jit;
    code_fn *function;
};

/* One compilation; everything is released by unit_free. */
struct unit {
    struct arena arena;
    struct gen gen;
    LLVMTargetMachineRef machine;
    LLVMMemoryBufferRef object;
    LLVMOrcLLJITRef jit;
};

/* ---- the host ---- */

static bool
has_feature(const char *features, const char *name)
{
    const char *at = strstr(features, name);
    size_t length = strlen(name);
    return at && (at == features || at[-1] == ',') && (at[length] == ',' || !at[length]);
}

static bool
has_avx512(const char *features)
{
    static const char *const needed[] = {"+avx512f", "+avx512bw", "+avx512dq", "+avx512vl"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (!has_feature(features, needed[i]))
            return false;
    return true;
}

/* The host's features without avx10, which LLVM 19 warns about and takes for 256 bits, and without AVX-512 for narrower
 * vectors. */
static char *
target_features(struct arena *a, const char *host, bool wide)
{
    char *out = arena_text(a, "", 0);
    for (const char *at = host; *at;) {
        size_t length = strcspn(at, ",");
        char *one = arena_text(a, at, length);
        if (!strstr(one, "avx10") && (wide || strncmp(one, "+avx512", 7)))
            out = arena_printf(a, "%s%s%s", out, *out ? "," : "", one);
        at += length + (at[length] == ',');
    }
#ifdef __x86_64__
    if (!wide)
        out = arena_printf(a, "%s,-avx512f", out);
#endif
    return out;
}

static bool
host_fits(const char *features, struct diag *diag)
{
#ifdef __x86_64__
    if (!has_feature(features, "+fma")) {
        diag_subject(diag, JIT_NO_FMA, NULL);
        return false;
    }
#endif
    (void)features;
    (void)diag;
    return true;
}

/* Sets the target machine and what the emitters ask about it. */
static bool
find_machine(struct unit *u, const struct code_options *options, struct diag *diag)
{
    char *triple = LLVMGetDefaultTargetTriple(), *cpu = LLVMGetHostCPUName(), *host = LLVMGetHostCPUFeatures();
    char *message = NULL;
    LLVMTargetRef target = NULL;
    bool avx512 = has_avx512(host);
    struct gen *g = &u->gen;
    g->width = options->vector_width ? options->vector_width : avx512 ? 16 : has_feature(host, "+avx2") ? 8 : 4;
    g->masks = avx512 && g->width == 16;
    if (!host_fits(host, diag)) {
        /* reported */
    } else if (LLVMGetTargetFromTriple(triple, &target, &message)) {
        diag_subject(diag, JIT_FAILED, NULL, message);
    } else {
        u->machine = LLVMCreateTargetMachine(target, triple, cpu, target_features(&u->arena, host, g->width == 16),
                                             LLVMCodeGenLevelLess, LLVMRelocPIC, LLVMCodeModelSmall);
    }
    LLVMDisposeMessage(message);
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(host);
    return u->machine != NULL;
}

/* ---- one compilation ---- */

static void
ignore_message(LLVMDiagnosticInfoRef info, void *context)
{
    (void)info;
    (void)context;
}

static void
add_attribute(struct gen *g, const char *key, const char *value)
{
    g->attributes[g->nattributes++] =
        LLVMCreateStringAttribute(g->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
}

static void
make_types(struct gen *g)
{
    LLVMContextRef c = g->context;
    g->nothing = LLVMVoidTypeInContext(c);
    g->i1 = LLVMInt1TypeInContext(c);
    g->i8 = LLVMInt8TypeInContext(c);
    g->i32 = LLVMInt32TypeInContext(c);
    g->i64 = LLVMInt64TypeInContext(c);
    g->pointer = LLVMPointerTypeInContext(c, 0);
    g->elem[ELEM_F32] = LLVMFloatTypeInContext(c);
    g->elem[ELEM_F64] = LLVMDoubleTypeInContext(c);
    g->elem[ELEM_I32] = g->i32;
    g->elem[ELEM_I64] = g->i64;
    g->elem[ELEM_U8] = g->i8;
    g->elem[ELEM_BOOL] = g->i1;
}

static void
make_attributes(struct gen *g)
{
    unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    const char *bits = arena_printf(g->arena, "%d", 32 * g->width);
    g->attributes[g->nattributes++] = LLVMCreateEnumAttribute(g->context, nounwind, 0);
    add_attribute(g, "denormal-fp-math", "preserve-sign,preserve-sign");
    add_attribute(g, "no-trapping-math", "true");
    add_attribute(g, "prefer-vector-width", bits);
    add_attribute(g, "min-legal-vector-width", bits);
}

static bool
run_passes(struct unit *u)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(u->gen.module, "default<O2>", u->machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!error)
        return true;
    char *message = LLVMGetErrorMessage(error);
    diag_subject(u->gen.diag, JIT_FAILED, NULL, message);
    LLVMDisposeErrorMessage(message);
    return false;
}

static bool
verify(struct unit *u)
{
    char *message = NULL;
    bool bad = LLVMVerifyModule(u->gen.module, LLVMReturnStatusAction, &message);
    if (bad)
        diag_subject(u->gen.diag, INTERNAL, NULL, message);
    LLVMDisposeMessage(message);
    return !bad;
}

/* The IR of |graph|. */
static bool
unit_emit(struct unit *u, const struct graph *graph, const struct code_options *options, struct diag *diag, bool check)
{
    struct gen *g = &u->gen;
    g->graph = graph;
    g->options = options;
    g->arena = &u->arena;
    g->diag = diag;
    if (!find_machine(u, options, diag))
        return false;
    g->context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(g->context, ignore_message, NULL);
    g->module = LLVMModuleCreateWithNameInContext(graph->name, g->context);
    g->b = LLVMCreateBuilderInContext(g->context);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(u->machine);
    LLVMSetModuleDataLayout(g->module, layout);
    LLVMDisposeTargetData(layout);
    char *triple = LLVMGetTargetMachineTriple(u->machine);
    LLVMSetTarget(g->module, triple);
    LLVMDisposeMessage(triple);
    make_types(g);
    make_attributes(g);
    return emit_graph(g) && (!check || verify(u)) && (!options->llvm_passes || run_passes(u));
}

static void
unit_free(struct unit *u)
{
    if (u->object)
        LLVMDisposeMemoryBuffer(u->object);
    if (u->gen.b)
        LLVMDisposeBuilder(u->gen.b);
    if (u->gen.module)
        LLVMDisposeModule(u->gen.module);
    if (u->gen.context)
        LLVMContextDispose(u->gen.context);
    if (u->machine)
        LLVMDisposeTargetMachine(u->machine);
    if (u->jit)
        LLVMConsumeError(LLVMOrcDisposeLLJIT(u->jit));
    arena_free(&u->arena);
}

static bool
machine_code(struct unit *u, LLVMCodeGenFileType kind)
{
    char *message = NULL;
    if (!LLVMTargetMachineEmitToMemoryBuffer(u->machine, u->gen.module, kind, &message, &u->object))
        return true;
    diag_subject(u->gen.diag, JIT_FAILED, NULL, message);
    LLVMDisposeMessage(message);
    return false;
}

/* ---- linking ---- */

static void
ignore_error(void *context, LLVMErrorRef error)
{
    (void)context;
    LLVMConsumeError(error);
}

/* Reports |error| if there is one. */
static bool
succeeded(struct diag *diag, LLVMErrorRef error)
{
    if (!error)
        return true;
    char *message = LLVMGetErrorMessage(error);
    diag_subject(diag, JIT_FAILED, NULL, message);
    LLVMDisposeErrorMessage(message);
    return false;
}

/* Whether this process may make code: memory that was written becomes executable. */
static bool
pages_allowed(struct diag *diag)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        diag_subject(diag, OUT_OF_MEMORY, NULL);
        return false;
    }
    bool allowed = !mprotect(page, size, PROT_READ | PROT_EXEC);
    int cause = errno;
    munmap(page, size);
    if (!allowed && cause == ENOMEM)
        diag_subject(diag, OUT_OF_MEMORY, NULL);
    else if (!allowed)
        diag_subject(diag, JIT_DENIED, NULL);
    return allowed;
}

/* An LLJIT whose linker knows the functions of runtime.def. */
static bool
make_jit(struct unit *u)
{
    struct diag *diag = u->gen.diag;
    LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
    /* The target machine belongs to the builder from here on. */
    LLVMOrcJITTargetMachineBuilderRef machines = LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(u->machine);
    u->machine = NULL;
    LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder, machines);
    if (!succeeded(diag, LLVMOrcCreateLLJIT(&u->jit, builder)))
        return false;
    LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(u->jit), ignore_error, NULL);
    size_t count = 0;
    while (runtime[count].name)
        count++;
    LLVMOrcCSymbolMapPair *symbols = ARENA_ARRAY(&u->arena, LLVMOrcCSymbolMapPair, count);
    for (size_t i = 0; i < count; i++) {
        symbols[i].Name = LLVMOrcLLJITMangleAndIntern(u->jit, runtime[i].name);
        symbols[i].Sym.Address = (LLVMOrcExecutorAddress)(uintptr_t)runtime[i].address;
        symbols[i].Sym.Flags.GenericFlags = LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable;
    }
    LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(symbols, count);
    LLVMErrorRef error = LLVMOrcJITDylibDefine(LLVMOrcLLJITGetMainJITDylib(u->jit), unit);
    if (error)
        LLVMOrcDisposeMaterializationUnit(unit);
    return succeeded(diag, error);
}

static struct code *
link_code(struct unit *u)
{
    struct diag *diag = u->gen.diag;
    LLVMOrcExecutorAddress address = 0;
    if (!make_jit(u))
        return NULL;
    LLVMMemoryBufferRef object = u->object;
    u->object = NULL; /* the LLJIT's, even if it fails */
    if (!succeeded(diag, LLVMOrcLLJITAddObjectFile(u->jit, LLVMOrcLLJITGetMainJITDylib(u->jit), object)) ||
        !succeeded(diag, LLVMOrcLLJITLookup(u->jit, &address, "step")))
        return NULL;
    struct code *c = malloc(sizeof *c);
    if (!c) {
        diag_subject(diag, OUT_OF_MEMORY, NULL);
        return NULL;
    }
    *c = (struct code){u->jit, (code_fn *)(uintptr_t)address};
    u->jit = NULL;
    return c;
}

/* ---- the functions of struct codegen ---- */

static struct code *
compile(const struct graph *g, const struct code_options *options, struct diag *diag)
{
    struct unit u = {0};
    struct code *volatile c = NULL;
    jmp_buf oom;
    if (!pages_allowed(diag))
        return NULL;
    arena_init(&u.arena, &oom);
#ifdef NDEBUG
    const bool check = false;
#else
    const bool check = true;
#endif
    if (setjmp(oom))
        diag_subject(diag, OUT_OF_MEMORY, NULL);
    else if (unit_emit(&u, g, options, diag, check) && machine_code(&u, LLVMObjectFile))
        c = link_code(&u);
    unit_free(&u);
    return c;
}

static code_fn *
function(const struct code *c)
{
    return c->function;
}

static void
free_code(struct code *c)
{
    if (c)
        LLVMConsumeError(LLVMOrcDisposeLLJIT(c->jit));
    free(c);
}

static char *
text(const struct graph *g, const struct code_options *options, bool assembly, struct arena *arena, struct diag *diag)
{
    struct unit u = {0};
    char *volatile out = NULL;
    jmp_buf oom;
    arena_init(&u.arena, &oom);
    if (setjmp(oom)) {
        diag_subject(diag, OUT_OF_MEMORY, NULL);
    } else if (unit_emit(&u, g, options, diag, true)) {
        if (!assembly) {
            char *ir = LLVMPrintModuleToString(u.gen.module);
            out = arena_text(arena, ir, strlen(ir));
            LLVMDisposeMessage(ir);
        } else if (machine_code(&u, LLVMAssemblyFile)) {
            out = arena_text(arena, LLVMGetBufferStart(u.object), LLVMGetBufferSize(u.object));
        }
    }
    unit_free(&u);
    return out;
}

void
nnc_codegen_module(struct codegen *out, const struct runtime_function *functions)
{
    runtime = functions;
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    out->compile = compile;
    out->function = function;
    out->free = free_code;
    out->text = text;
}
