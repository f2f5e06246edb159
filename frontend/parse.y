/* parse: the grammar of .nn files. LALR(1) without conflicts: a statement is a construct with a reserved word, a binding,
 * a section, or WORD arguments, so every other word stays free as a name. tokens.c decides which newlines are tokens; tree.c
 * makes the nodes. */
%require "3.8"
%define api.pure full
%define api.prefix {nnc_yy}
%define api.token.prefix {TOKEN_}
%define api.location.type {struct place}
%define parse.error custom
%define parse.lac full
/* Without default reductions the token after a faulty statement is looked at before the statement is given up. */
%define lr.default-reduction accepting
%expect 0
%lex-param {struct reader *r}
%parse-param {struct reader *r}
%locations

%code requires {
#include "frontend/reader.h"
}

%code provides {
/* One token as the lexer gives it. */
struct token {
    int kind;
    NNC_YYSTYPE value;
    struct place place;
    size_t at, size;
};
}

%code {
#include <string.h>
#include "frontend/tokens.h"
#include "frontend/tree.h"

/* The stacks lie in the parser's frame and do not grow: nesting is limited to less than they hold. */
#define YYINITDEPTH 3000
#define YYMAXDEPTH YYINITDEPTH
#define nnc_yylex tokens_next

/* From the first token to the last if they stand on one line, else the first. */
#define YYLLOC_DEFAULT(current, rhs, n) ((current) = (n) ? tree_span(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n)) : YYRHSLOC(rhs, 0))

/* A fault that the grammar does not see: it is reported; the statement is dropped. */
#define CHECKED(node) do { if (!(node)) YYERROR; } while (0)

static void
nnc_yyerror(struct place *place, struct reader *r, const char *message)
{
    tree_too_deep(r, *place); /* bison calls this for a full stack only */
}
}

%initial-action { @$ = (struct place){r->file, 1, 1, 1}; }

%union {
    struct number number;
    const char *text;
    int op;
    struct ast *node;
    struct arg_list args;
    struct name_list names;
    struct node_list nodes;
    struct ast_arg arg;
}

%token YYEOF 0 "the end of the file"
%token NEWLINE "the end of the line"
%token <number> NUMBER "a number"
%token <text> STRING "a string"
%token <text> NAME "a name"
%token <text> ORDINAL "an ordinal"
%token FUNCTION "'function'" LAYER "'layer'" INITIALIZER "'initializer'" SCHEDULE "'schedule'"
%token <text> OPTIMIZER "'optimizer'"
%token IF "'if'" ELSE "'else'" REPEAT "'repeat'" SCAN "'scan'" IN "'in'" CARRY "'carry'" YIELD "'yield'" RETURN "'return'"
%token TRUE "'true'" FALSE "'false'"
%token COUNT "'..'" ELLIPSIS "'...'"
%token OR "'or'" AND "'and'" NOT "'not'" EQ "'=='" NE "'!='" LE "'<='" GE "'>='" FLOORDIV "'//'"

%right '?' ':'
%left OR
%left AND
%precedence NOT
%nonassoc EQ NE LE GE '<' '>'
%left '+' '-'
%left '*' '/' FLOORDIV
%left '@'
%precedence MINUS
%right '^'
%precedence '(' '[' '.' ORDINAL

%type <node> statement block conditional expr
%type <node> item index_item
%type <nodes> statements expressions items index_items
%type <names> names reversal outside
%type <args> arguments call_arguments call_arguments_1 carry carried
%type <arg> argument call_argument
%type <op> definition

%%

file: statements { r->root = tree_block(r, (struct place){r->file, 1, 1, 1}, &$1, @$.line); }
    ;

statements: %empty { $$ = (struct node_list){0}; }
    | statement { $$ = (struct node_list){0}; tree_add(r, &$$, $1); }
    | statements NEWLINE { $$ = $1; }
    | statements NEWLINE statement { $$ = $1; tree_add(r, &$$, $3); }
    ;

block: '{' statements '}' { $$ = tree_block(r, @1, &$2, @3.line); }
    ;

statement: NAME '=' expr { $$ = tree_bind(r, tree_name(r, (struct name_list){0}, $1, @1), $3); }
    | NAME ',' names '=' expr { $$ = tree_bind(r, tree_names_before(r, $1, @1, $3), $5); }
    | NAME block { $$ = tree_section(r, @1, $1, (struct name_list){0}, $2); }
    | NAME NAME block { $$ = tree_section(r, @1, $1, tree_name(r, (struct name_list){0}, $2, @2), $3); }
    | NAME arguments { $$ = tree_word(r, @1, $1, $2); }
    | OPTIMIZER arguments { $$ = tree_word(r, @1, $1, $2); }
    | OPTIMIZER arguments block { $$ = tree_optimizer(r, @1, $2, $3); CHECKED($$); }
    | definition NAME '(' call_arguments ')' block
        { $$ = tree_definition(r, $1, tree_name(r, (struct name_list){0}, $2, @2), $4, $6); CHECKED($$); }
    | conditional
    | REPEAT NAME IN expr COUNT expr block
        { $$ = tree_repeat(r, @1, tree_name(r, (struct name_list){0}, $2, @2), tree_two(r, AST_COUNT, 0, @5, $4, $6), $7); }
    | SCAN NAME IN expr reversal carry block outside
        { $$ = tree_scan(r, @1, $2, @2, $4, $5, $6, $7, $8); CHECKED($$); }
    | YIELD expressions { $$ = tree_values(r, AST_YIELD, @1, $2); }
    | RETURN expressions { $$ = tree_values(r, AST_RETURN, @1, $2); }
    | error { $$ = NULL; tokens_recovered(r); yyerrok; }
    | faulty { $$ = NULL; tokens_recovered(r); }
    ;

/* A fault before a block: what stands in the block is still read for its own faults. */
faulty: error begin_faulty block
    | faulty ELSE block
    | faulty ELSE IF expr block
    | faulty NAME names
    ;

begin_faulty: %empty { tokens_recovered(r); yyerrok; }
    ;

definition: FUNCTION { $$ = AST_FUNCTION; }
    | LAYER { $$ = AST_LAYER; }
    | INITIALIZER { $$ = AST_INITIALIZER; }
    | SCHEDULE { $$ = AST_SCHEDULE; }
    ;

conditional: IF expr block { $$ = tree_if(r, @1, $2, $3, NULL); }
    | IF expr block ELSE block { $$ = tree_if(r, @1, $2, $3, $5); }
    | IF expr block ELSE conditional { $$ = tree_if(r, @1, $2, $3, $5); }
    ;

reversal: %empty { $$ = (struct name_list){0}; }
    | NAME { $$ = tree_name(r, (struct name_list){0}, $1, @1); }
    ;

carry: %empty { $$ = (struct arg_list){0}; }
    | CARRY carried { $$ = $2; }
    ;

carried: NAME '=' expr { $$ = tree_carry(r, (struct arg_list){0}, $1, @1, $3); }
    | carried ',' NAME '=' expr { $$ = tree_carry(r, $1, $3, @3, $5); }
    ;

/* } as us, vs: the word comes first. */
outside: %empty { $$ = (struct name_list){0}; }
    | NAME names { $$ = tree_names_before(r, $1, @1, $2); }
    ;

names: NAME { $$ = tree_name(r, (struct name_list){0}, $1, @1); }
    | names ',' NAME { $$ = tree_name(r, $1, $3, @3); }
    ;

expressions: expr { $$ = (struct node_list){0}; tree_add(r, &$$, $1); }
    | expressions ',' expr { $$ = $1; tree_add(r, &$$, $3); }
    ;

arguments: argument { $$ = tree_arg(r, (struct arg_list){0}, NULL, $1); }
    | arguments ',' argument { $$ = tree_arg(r, $1, NULL, $3); }
    | arguments NAME argument { $$ = tree_arg(r, $1, $2, $3); }
    ;

argument: expr { $$ = (struct ast_arg){.value = $1, .place = @1}; }
    | expr '=' expr { CHECKED(tree_named(r, &$$, @1, $1, NULL, $3)); }
    | expr ':' expr
        {
            if ($1->kind == AST_NAME)
                CHECKED(tree_named(r, &$$, @1, $1, $3, NULL));
            else
                $$ = (struct ast_arg){.value = tree_two(r, AST_RANGE, 0, @$, $1, $3), .place = @$};
        }
    | expr ':' expr '=' expr { CHECKED(tree_named(r, &$$, @1, $1, $3, $5)); }
    ;

call_arguments: %empty { $$ = (struct arg_list){0}; }
    | call_arguments_1
    ;

call_arguments_1: call_argument { $$ = tree_arg(r, (struct arg_list){0}, NULL, $1); }
    | call_arguments_1 ',' call_argument { $$ = tree_arg(r, $1, NULL, $3); }
    ;

call_argument: argument
    | expr ':' { $$ = (struct ast_arg){.value = tree_two(r, AST_RANGE, 0, @$, $1, NULL), .place = @$}; }
    | ':' expr { $$ = (struct ast_arg){.value = tree_two(r, AST_RANGE, 0, @$, NULL, $2), .place = @$}; }
    ;

index_items: %empty { $$ = (struct node_list){0}; }
    | index_item { $$ = (struct node_list){0}; tree_add(r, &$$, $1); }
    | index_items ',' index_item { $$ = $1; tree_add(r, &$$, $3); }
    ;

index_item: item
    | expr ':' expr { $$ = tree_two(r, AST_RANGE, 0, @$, $1, $3); }
    | expr ':' { $$ = tree_two(r, AST_RANGE, 0, @$, $1, NULL); }
    | ':' expr { $$ = tree_two(r, AST_RANGE, 0, @$, NULL, $2); }
    | ':' { $$ = tree_two(r, AST_RANGE, 0, @$, NULL, NULL); }
    ;

items: %empty { $$ = (struct node_list){0}; }
    | item { $$ = (struct node_list){0}; tree_add(r, &$$, $1); }
    | items ',' item { $$ = $1; tree_add(r, &$$, $3); }
    ;

item: expr
    | ELLIPSIS { $$ = tree_text(r, AST_ELLIPSIS, @1, NULL); }
    ;

expr: NUMBER { $$ = tree_number(r, @1, $1); }
    | STRING { $$ = tree_text(r, AST_STRING, @1, $1); }
    | NAME { $$ = tree_text(r, AST_NAME, @1, $1); }
    | TRUE { $$ = tree_bool(r, @1, 1); }
    | FALSE { $$ = tree_bool(r, @1, 0); }
    | '(' expr ')' { $$ = $2; }
    | '[' items ']' { $$ = tree_items(r, AST_LIST, @$, NULL, $2); }
    | expr '[' index_items ']' { $$ = tree_items(r, AST_INDEX, @$, $1, $3); }
    | expr '(' call_arguments ')' { $$ = tree_call(r, @$, $1, $3); }
    | expr '.' NAME { $$ = tree_field(r, @$, $1, $3); }
    | expr ORDINAL { $$ = tree_field(r, @$, $1, $2); }
    | expr '^' expr { $$ = tree_two(r, AST_BINARY, '^', @2, $1, $3); }
    | '-' expr %prec MINUS { $$ = tree_two(r, AST_UNARY, '-', @1, $2, NULL); }
    | expr '@' expr { $$ = tree_two(r, AST_BINARY, '@', @2, $1, $3); }
    | expr '*' expr { $$ = tree_two(r, AST_BINARY, '*', @2, $1, $3); }
    | expr '/' expr { $$ = tree_two(r, AST_BINARY, '/', @2, $1, $3); }
    | expr FLOORDIV expr { $$ = tree_two(r, AST_BINARY, AST_FLOORDIV, @2, $1, $3); }
    | expr '+' expr { $$ = tree_two(r, AST_BINARY, '+', @2, $1, $3); }
    | expr '-' expr { $$ = tree_two(r, AST_BINARY, '-', @2, $1, $3); }
    | expr EQ expr { $$ = tree_two(r, AST_BINARY, AST_EQ, @2, $1, $3); }
    | expr NE expr { $$ = tree_two(r, AST_BINARY, AST_NE, @2, $1, $3); }
    | expr '<' expr { $$ = tree_two(r, AST_BINARY, '<', @2, $1, $3); }
    | expr '>' expr { $$ = tree_two(r, AST_BINARY, '>', @2, $1, $3); }
    | expr LE expr { $$ = tree_two(r, AST_BINARY, AST_LE, @2, $1, $3); }
    | expr GE expr { $$ = tree_two(r, AST_BINARY, AST_GE, @2, $1, $3); }
    | NOT expr { $$ = tree_two(r, AST_UNARY, AST_NOT, @1, $2, NULL); }
    | expr AND expr { $$ = tree_two(r, AST_BINARY, AST_AND, @2, $1, $3); }
    | expr OR expr { $$ = tree_two(r, AST_BINARY, AST_OR, @2, $1, $3); }
    | expr '?' expr ':' expr { $$ = tree_cond(r, @2, $1, $3, $5); }
    ;

%%

/* How a token that could stand at the faulty place is named in the message. */
enum wanted {
    WANT_ITSELF,
    WANT_EXPRESSION, /* stands for all that begins one */
    WANT_OPERATOR,   /* for all that goes on with one */
    WANT_COMPARISON,
    WANT_STATEMENT,
    WANT_NAME,
    WANT_LABEL,      /* = and :, both of which may follow an argument: not worth a word there */
    WANT_END,        /* of a line, a block, the file */
    WANT_PART,       /* begins what another one stands for, or is never wanted alone */
    WANT_COUNT
};

static const struct {
    const char *name;
    enum wanted wanted;
} WANTED[] = {
    {"a number", WANT_EXPRESSION}, {"a string", WANT_PART}, {"'['", WANT_PART}, {"'true'", WANT_PART},
    {"'false'", WANT_PART}, {"'not'", WANT_PART}, {"'...'", WANT_PART},
    {"'+'", WANT_OPERATOR}, {"'-'", WANT_PART}, {"'*'", WANT_PART}, {"'/'", WANT_PART}, {"'//'", WANT_PART},
    {"'@'", WANT_PART},
    {"'^'", WANT_PART}, {"'.'", WANT_PART}, {"an ordinal", WANT_PART}, {"'?'", WANT_PART}, {"'and'", WANT_PART}, {"'or'", WANT_PART},
    {"'=='", WANT_COMPARISON}, {"'!='", WANT_PART}, {"'<'", WANT_PART}, {"'>'", WANT_PART},
    {"'<='", WANT_PART}, {"'>='", WANT_PART},
    {"'repeat'", WANT_STATEMENT}, {"'if'", WANT_PART}, {"'function'", WANT_PART}, {"'layer'", WANT_PART},
    {"'initializer'", WANT_PART}, {"'schedule'", WANT_PART}, {"'optimizer'", WANT_PART}, {"'scan'", WANT_PART},
    {"'yield'", WANT_PART}, {"'return'", WANT_PART},
    {"a name", WANT_NAME}, {"'='", WANT_LABEL}, {"':'", WANT_LABEL},
    {"the end of the line", WANT_END}, {"the end of the file", WANT_PART}, {"'}'", WANT_PART},
};

static enum wanted
wanted_of(yysymbol_kind_t symbol)
{
    const char *name = yysymbol_name(symbol);
    for (size_t i = 0; i < sizeof WANTED / sizeof *WANTED; i++)
        if (!strcmp(WANTED[i].name, name))
            return WANTED[i].wanted;
    return WANT_ITSELF;
}

/* "an expression, ',' or ')'" of what could stand here; |has| says which kinds are among it. */
static const char *
expected_text(const yypcontext_t *at, struct reader *r, bool has[WANT_COUNT])
{
    yysymbol_kind_t symbol[YYNTOKENS];
    const char *part[YYNTOKENS + 4];
    int nparts = 0, labels = 0, n = yypcontext_expected_tokens(at, symbol, YYNTOKENS);
    for (int i = 0; i < n; i++) {
        has[wanted_of(symbol[i])] = true;
        labels += wanted_of(symbol[i]) == WANT_LABEL;
    }
    if (has[WANT_STATEMENT])
        part[nparts++] = "a statement";
    else if (has[WANT_EXPRESSION])
        part[nparts++] = "an expression";
    else if (has[WANT_OPERATOR])
        part[nparts++] = "an operator";
    else if (has[WANT_NAME])
        part[nparts++] = "a name";
    for (int i = 0; i < n; i++) {
        enum wanted w = wanted_of(symbol[i]);
        const char *name = yysymbol_name(symbol[i]);
        bool opens = !strcmp(name, "'('") && nparts; /* a call, or a bracketed expression */
        bool label = w == WANT_LABEL && labels == 2 && has[WANT_OPERATOR];
        if ((w == WANT_ITSELF || w == WANT_LABEL || (w == WANT_END && !has[WANT_STATEMENT])) && !opens && !label)
            part[nparts++] = name;
    }
    if (!nparts)
        part[nparts++] = n ? yysymbol_name(symbol[n - 1]) : "something else";
    const char *text = part[0];
    for (int i = 1; i < nparts; i++)
        text = arena_printf(r->arena, i + 1 < nparts ? "%s, %s" : "%s or %s", text, part[i]);
    return text;
}

static const char *
found_text(const yypcontext_t *at, struct reader *r)
{
    yysymbol_kind_t found = yypcontext_token(at);
    switch (found) {
    case YYSYMBOL_NAME:
        return arena_printf(r->arena, "'%s'", reader_shown(r));
    case YYSYMBOL_NUMBER:
    case YYSYMBOL_STRING:
        return reader_shown(r);
    case YYSYMBOL_NEWLINE:
        return r->base[r->at] == ';' ? "';'" : yysymbol_name(found);
    default:
        return yysymbol_name(found);
    }
}

static int
yyreport_syntax_error(const yypcontext_t *at, struct reader *r)
{
    struct place place = *yypcontext_location(at);
    if (r->silent || r->recovering)
        return 0;
    bool has[WANT_COUNT] = {false};
    const char *expected = expected_text(at, r, has), *found = found_text(at, r);
    const char *reserved = reserved_word(r->last), *before = reserved_word(r->before);
    const struct opening *open = tokens_unclosed(r);
    if (has[WANT_OPERATOR] && !has[WANT_COMPARISON] && tokens_is_comparison(r->last))
        diag_report(r->diag, COMPARISON_CHAIN, place);
    else if (reserved && has[WANT_NAME])
        diag_report(r->diag, NAME_RESERVED, place, reserved);
    else if (before && (r->last == '=' || r->last == ':') && !has[WANT_LABEL])
        diag_report(r->diag, NAME_RESERVED, r->before_place, before);
    else if (r->unopened)
        diag_report(r->diag, BRACE_EXTRA, place);
    else if (open && place.line > r->before_place.line) {
        diag_report(r->diag, BRACKET_OPEN, open->place, open->kind);
        diag_report(r->diag, SYNTAX_HERE, place, expected, found);
    } else {
        diag_report(r->diag, SYNTAX, place, expected, found);
        if (r->last == '=' && has[WANT_COMPARISON] && strstr(expected, "'{'"))
            diag_report(r->diag, SYNTAX_COMPARE, place);
    }
    tokens_recover(r);
    reader_failed(r);
    return 0;
}

static void
read_tree(struct reader *r, void *context)
{
    nnc_yyparse(r);
}

struct ast_file
parse_file(struct sources *s, int file, struct diag *diag)
{
    struct reader r = {0};
    if (!reader_run(&r, s, file, diag, read_tree, NULL))
        return (struct ast_file){0};
    return (struct ast_file){
        .block = r.root, .comments = r.comments, .ncomments = r.ncomments, .nodes = r.nodes, .sources = s, .file = file};
}
