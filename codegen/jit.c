/* jit: the module's functions. Graphs are emitted as LLVM IR and made an object file in memory by the host's target machine.
 * No IR pass is run unless asked for: what is emitted is good already, and compile time is part of the product. */
#include "codegen/emit.h"
#include "codegen/module.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One compilation; everything is released by unit_free. */
struct unit {
    struct arena arena;
    struct gen gen;
    LLVMTargetMachineRef machine;
    LLVMMemoryBufferRef object;
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
    enum { UNWIND_EVERYWHERE = 2 }; /* LLVM's UWTableKind::Async: from each instruction, for debuggers */
    unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8), uwtable = LLVMGetEnumAttributeKindForName("uwtable", 7);
    const char *bits = arena_printf(g->arena, "%d", 32 * g->width);
    g->attributes[g->nattributes++] = LLVMCreateEnumAttribute(g->context, nounwind, 0);
    g->attributes[g->nattributes++] = LLVMCreateEnumAttribute(g->context, uwtable, UNWIND_EVERYWHERE);
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

/* The context and the empty module. */
static void
unit_begin(struct unit *u, const char *name)
{
    struct gen *g = &u->gen;
    g->context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(g->context, ignore_message, NULL);
    g->module = LLVMModuleCreateWithNameInContext(name, g->context);
    g->b = LLVMCreateBuilderInContext(g->context);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(u->machine);
    LLVMSetModuleDataLayout(g->module, layout);
    LLVMDisposeTargetData(layout);
    char *triple = LLVMGetTargetMachineTriple(u->machine);
    LLVMSetTarget(g->module, triple);
    LLVMDisposeMessage(triple);
    make_types(g);
    make_attributes(g);
}

/* The name of a graph without that of its model: "train", "eval". */
static const char *
short_name(const struct graph *g)
{
    const char *dot = strrchr(g->name, '.');
    return dot ? dot + 1 : g->name;
}

/* The IR of |graphs|. */
static bool
unit_emit(struct unit *u, const struct code_graphs *graphs, const struct code_options *options, struct diag *diag, bool check)
{
    struct gen *g = &u->gen;
    g->options = options;
    g->arena = &u->arena;
    g->diag = diag;
    if (!find_machine(u, options, diag))
        return false;
    unit_begin(u, graphs->graph[0]->name);
    for (int i = 0; i < graphs->count; i++) {
        char entry[ENTRY_NAME];
        code_entry(i, entry);
        g->graph = graphs->graph[i];
        g->entry = entry;
        g->prefix = i ? arena_printf(g->arena, "%s.", short_name(g->graph)) : "";
        if (!emit_graph(g))
            return false;
    }
    return (!check || verify(u)) && (!options->llvm_passes || run_passes(u));
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

/* ---- the functions of struct codegen ---- */

/* A copy that outlives the module. */
static bool
take_object(struct unit *u, struct code_object *out)
{
    size_t size = LLVMGetBufferSize(u->object);
    void *bytes = malloc(size + 1);
    if (!bytes) {
        diag_subject(u->gen.diag, OUT_OF_MEMORY, NULL);
        return false;
    }
    memcpy(bytes, LLVMGetBufferStart(u->object), size);
    *out = (struct code_object){bytes, size};
    return true;
}

static bool
object(const struct code_graphs *graphs, const struct code_options *options, struct code_object *out, struct diag *diag)
{
    struct unit u = {0};
    volatile bool ok = false;
    jmp_buf oom;
    arena_init(&u.arena, &oom);
#ifdef NDEBUG
    const bool check = false;
#else
    const bool check = true;
#endif
    if (setjmp(oom))
        diag_subject(diag, OUT_OF_MEMORY, NULL);
    else
        ok = unit_emit(&u, graphs, options, diag, check) && machine_code(&u, LLVMObjectFile) && take_object(&u, out);
    unit_free(&u);
    return ok;
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
    } else if (unit_emit(&u, &(struct code_graphs){.graph = &g, .count = 1}, options, diag, true)) {
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

/* Loops are emitted with addresses that the machine's own addressing computes; to search for better ones took a sixth of the
 * compile time and gained at most 2 % of a step. */
static void
initialize(void)
{
    static const char *const options[] = {"nnc", "-disable-lsr"};
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    LLVMParseCommandLineOptions(2, options, "");
}

/* LLVM stays in the process once it is loaded, this module too (CMakeLists.txt), and an option can be set but once. */
void
nnc_codegen_module(struct codegen *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize);
    out->object = object;
    out->text = text;
}
