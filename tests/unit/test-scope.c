/* test-scope.c - what systemd is asked and how its answers are taken, against GIO, which reads and writes D-Bus on its own */
#include "base/scope.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PID = 4711 };

#define JOB "/org/freedesktop/systemd1/job/7"

enum behaviour {
        JOB_DONE,      /* with signals of others before and behind the answer */
        JOB_FAILED,
        CALL_REFUSED,
        PEER_REFUSED,
        HANGS_UP,
        SAYS_NOTHING,
        SAYS_TOO_MUCH,
};

struct manager {
        char *directory, *path;
        int listener;
        enum behaviour behaviour;
        GThread *thread;
        GDBusMessage *call; /* what was asked, or NULL */
};

static void
read_until(int fd, const char *end)
{
        g_autoptr(GString) text = g_string_new(NULL);
        char c;

        while (!g_str_has_suffix(text->str, end)) {
                g_assert_cmpint(read(fd, &c, 1), ==, 1);
                g_string_append_c(text, c ? c : '0');
        }
}

static GDBusMessage *
read_message(int fd)
{
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;
        GDBusMessage *message;
        guint8 chunk[4096];
        gssize needed = 16;

        while ((gssize)bytes->len < needed) {
                ssize_t n = read(fd, chunk, sizeof chunk);

                g_assert_cmpint(n, >, 0);
                g_byte_array_append(bytes, chunk, (guint)n);
                if (bytes->len >= 16)
                        needed = g_dbus_message_bytes_needed(bytes->data, bytes->len, NULL);
        }
        g_assert_cmpint(bytes->len, ==, needed);
        message = g_dbus_message_new_from_blob(bytes->data, bytes->len, G_DBUS_CAPABILITY_FLAGS_NONE, &error);
        g_assert_no_error(error);
        return message;
}

static void
send_message(int fd, GDBusMessage *message)
{
        static guint serial;
        g_autofree guchar *blob = NULL;
        gsize size;

        g_dbus_message_set_serial(message, ++serial);
        blob = g_dbus_message_to_blob(message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
        g_assert_nonnull(blob);
        g_assert_cmpint(send(fd, blob, size, MSG_NOSIGNAL), ==, (gssize)size);
        g_object_unref(message);
}

static void
send_signal(int fd, const char *member, GVariant *body)
{
        GDBusMessage *message =
                g_dbus_message_new_signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", member);

        g_dbus_message_set_body(message, body);
        send_message(fd, message);
}

static void
send_removed(int fd, const char *job, const char *result)
{
        send_signal(fd, "JobRemoved", g_variant_new("(uoss)", 7, job, "x.scope", result));
}

static void
answer(int fd, const struct manager *manager)
{
        GDBusMessage *reply;

        if (manager->behaviour == CALL_REFUSED) {
                send_message(fd, g_dbus_message_new_method_error_literal(manager->call, "org.freedesktop.systemd1.UnitExists",
                                                                         "Unit x.scope was already loaded."));
                return;
        }
        send_removed(fd, JOB, "done"); /* before the answer: somebody else's */
        send_signal(fd, "UnitNew", g_variant_new("(so)", "x.scope", "/org/freedesktop/systemd1/unit/x"));
        reply = g_dbus_message_new_method_reply(manager->call);
        g_dbus_message_set_body(reply, g_variant_new("(o)", JOB));
        send_message(fd, reply);
        send_removed(fd, JOB "1", "failed");
        send_signal(fd, "JobNew", g_variant_new("(uos)", 7, JOB, "x.scope"));
        send_removed(fd, JOB, manager->behaviour == JOB_DONE ? "done" : "failed");
}

static gpointer
serve(gpointer data)
{
        static const char too_much[16] = "l\2\0\1\xff\xff\xff\x7f\1\0\0\0\xff\xff\xff\x7f";
        struct manager *manager = data;
        auto_fd fd = accept(manager->listener, NULL, NULL);
        const char *word = manager->behaviour == PEER_REFUSED ? "REJECTED EXTERNAL\r\n" : "DATA\r\nOK 0123\r\n";
        char c;

        g_assert_cmpint(fd, >=, 0);
        read_until(fd, "0AUTH EXTERNAL\r\nDATA\r\n");
        g_assert_cmpint(write(fd, word, strlen(word)), >, 0);
        if (manager->behaviour == PEER_REFUSED)
                return NULL;
        read_until(fd, "BEGIN\r\n");
        manager->call = read_message(fd);
        if (manager->behaviour == HANGS_UP)
                return NULL;
        if (manager->behaviour == SAYS_TOO_MUCH)
                g_assert_cmpint(write(fd, too_much, sizeof too_much), ==, sizeof too_much);
        else if (manager->behaviour != SAYS_NOTHING)
                answer(fd, manager);
        while (read(fd, &c, 1) > 0) /* until the other side has had enough */
                ;
        return NULL;
}

static void
set_up(struct manager *manager, gconstpointer data)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        GError *error = NULL;

        manager->behaviour = (enum behaviour)GPOINTER_TO_INT(data);
        manager->directory = g_dir_make_tmp("drover-scope-XXXXXX", &error);
        g_assert_no_error(error);
        manager->path = g_build_filename(manager->directory, "private", NULL);
        g_strlcpy(address.sun_path, manager->path, sizeof address.sun_path);
        manager->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        g_assert_cmpint(bind(manager->listener, (struct sockaddr *)&address, sizeof address), ==, 0);
        g_assert_cmpint(listen(manager->listener, 1), ==, 0);
        manager->thread = g_thread_new("manager", serve, manager);
}

static void
tear_down(struct manager *manager, gconstpointer data)
{
        close(manager->listener);
        g_clear_object(&manager->call);
        g_assert_true(file_remove_tree(manager->directory, NULL));
        g_free(manager->path);
        g_free(manager->directory);
}

static void
test_done(struct manager *manager, gconstpointer data)
{
        g_autoptr(GError) error = NULL;
        g_autofree char *body = NULL;

        g_assert_true(scope_enter(manager->path, "drover-lab-web", PID, &error));
        g_assert_no_error(error);
        g_thread_join(manager->thread);
        g_assert_cmpint(g_dbus_message_get_message_type(manager->call), ==, G_DBUS_MESSAGE_TYPE_METHOD_CALL);
        g_assert_cmpstr(g_dbus_message_get_path(manager->call), ==, "/org/freedesktop/systemd1");
        g_assert_cmpstr(g_dbus_message_get_interface(manager->call), ==, "org.freedesktop.systemd1.Manager");
        g_assert_cmpstr(g_dbus_message_get_member(manager->call), ==, "StartTransientUnit");
        g_assert_cmpstr(g_dbus_message_get_destination(manager->call), ==, "org.freedesktop.systemd1");
        body = g_variant_print(g_dbus_message_get_body(manager->call), TRUE);
        g_assert_cmpstr(body, ==,
                        "('drover-lab-web-4711.scope', 'fail', "
                        "[('Description', <'drover-lab-web'>), ('CollectMode', <'inactive-or-failed'>), "
                        "('PIDs', <[uint32 4711]>)], @a(sa(sv)) [])");
}

static void
test_fails(struct manager *manager, gconstpointer data)
{
        static const struct {
                enum drover_error code;
                const char *message;
        } expected[] = {
                [JOB_FAILED] = {DROVER_ERROR_FAILED, "systemd's job ended as 'failed'"},
                [CALL_REFUSED] = {DROVER_ERROR_FAILED, "systemd refuses: Unit x.scope was already loaded."},
                [PEER_REFUSED] = {DROVER_ERROR_PERMISSION, "systemd does not take us"},
                [HANGS_UP] = {DROVER_ERROR_FAILED, "systemd hung up"},
                [SAYS_NOTHING] = {DROVER_ERROR_TIMEOUT, "systemd does not answer within 2 s"},
                [SAYS_TOO_MUCH] = {DROVER_ERROR_CORRUPT, "systemd speaks too much at once"},
        };
        g_autoptr(GError) error = NULL;

        g_assert_false(scope_enter(manager->path, "drover-lab-web", PID, &error));
        g_assert_error(error, DROVER_ERROR, (gint)expected[manager->behaviour].code);
        g_assert_cmpstr(error->message, ==, expected[manager->behaviour].message);
        g_thread_join(manager->thread);
}

static void
test_absent(void)
{
        g_autoptr(GError) error = NULL;

        g_assert_false(scope_enter("/nonexistent/private", "drover-lab-web", PID, &error));
        g_assert_error(error, DROVER_ERROR, DROVER_ERROR_NOT_FOUND);
}

int
main(int argc, char **argv)
{
        static const struct {
                const char *name;
                enum behaviour behaviour;
        } failures[] = {
                {"/scope/job-failed", JOB_FAILED}, {"/scope/refused", CALL_REFUSED},   {"/scope/not-taken", PEER_REFUSED},
                {"/scope/hangs-up", HANGS_UP},     {"/scope/silent", SAYS_NOTHING}, {"/scope/too-much", SAYS_TOO_MUCH},
        };

        g_test_init(&argc, &argv, NULL);
        g_test_add("/scope/done", struct manager, GINT_TO_POINTER(JOB_DONE), set_up, test_done, tear_down);
        for (size_t i = 0; i < G_N_ELEMENTS(failures); i++)
                g_test_add(failures[i].name, struct manager, GINT_TO_POINTER(failures[i].behaviour), set_up, test_fails,
                           tear_down);
        g_test_add_func("/scope/absent", test_absent);
        return g_test_run();
}
