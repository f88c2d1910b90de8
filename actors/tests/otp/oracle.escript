#!/usr/bin/env escript
%%! +S 1 -noinput
%% The oracle: runs scenarios through the real supervisor of Erlang/OTP, all at once in one node, and
%% prints one line for each: its number and what happened, in the order in which the supervisor saw it.
%%
%% Each scenario is at rest between two steps, so that nothing depends on who is faster.
-mode(compile).
-behaviour(supervisor).
-export([main/1, init/1, start_one/4]).

main([File]) ->
    logger:set_primary_config(level, none),
    {ok, Scenarios} = file:consult(File),
    Main = self(),
    [spawn_link(fun() -> Main ! {done, element(1, S), scenario(S)} end) || S <- Scenarios],
    [receive {done, N, Lines} -> io:format("~b|~ts~n", [N, lists:join(", ", Lines)]) end
     || {N, _, _, _, _, _, _} <- Scenarios].

%% One scenario, and what was seen of it.
scenario({_, Strategy, Intensity, Period, Auto, Children, Steps}) ->
    process_flag(trap_exit, true),
    Fails = ets:new(fails, [public]),
    Tracer = spawn_link(fun() -> tracer([], #{}) end),
    Flags = #{strategy => Strategy, intensity => Intensity, period => Period, auto_shutdown => Auto},
    Specs = [spec(C, Tracer, Fails) || C <- Children],
    [ets:insert(Fails, {Name, N}) || {fail, Name, N} <- lists:takewhile(fun is_fail/1, Steps)],
    Rest = lists:dropwhile(fun is_fail/1, Steps),
    case supervisor:start_link(?MODULE, {Flags, Specs, Tracer}) of
        {ok, Sup} ->
            run(Rest, Sup, Tracer, Fails);
        {error, _} ->
            note(Tracer, "not started")
    end,
    Tracer ! {all, self()},
    receive {all, Lines} -> Lines end.

is_fail({fail, _, _}) -> true;
is_fail(_) -> false.

spec({Name, Restart, Significant, Shutdown, Manner}, Tracer, Fails) ->
    #{id => Name, start => {?MODULE, start_one, [Name, Manner, Tracer, Fails]}, restart => Restart,
      significant => Significant, shutdown => Shutdown}.

init({Flags, Specs, Tracer}) ->
    erlang:trace(self(), true, [send, 'receive', {tracer, Tracer}]),
    {ok, {Flags, Specs}}.

%% Runs in the supervisor, so that its trace has starts and ends in one order.
start_one(Name, Manner, Tracer, Fails) ->
    case ets:lookup(Fails, Name) of
        [{_, N}] when N > 0 ->
            ets:insert(Fails, {Name, N - 1}),
            Tracer ! {failed, Name},
            {error, no};
        _ ->
            Sup = self(),
            Pid = spawn_link(fun() -> child(Sup, Manner) end),
            receive {Pid, up} -> ok end,
            Tracer ! {started, Name, Pid},
            {ok, Pid}
    end.

child(Sup, Manner) ->
    process_flag(trap_exit, Manner =/= obeys),
    Sup ! {self(), up},
    live(Sup, Manner).

live(Sup, Manner) ->
    receive
        {die, normal} -> ok;
        {die, Reason} -> exit(Reason);
        {'EXIT', Sup, shutdown} ->
            case Manner of
                {takes, Ms} -> timer:sleep(Ms), exit(shutdown);
                refuses -> live(Sup, Manner)
            end
    end.

%% Everything the supervisor did and heard; `Alive` maps names to processes.
tracer(Lines, Alive) ->
    receive
        {trace, _, send, {started, Name, Pid}, _} ->
            tracer([["start ", atom_to_list(Name)] | Lines], Alive#{Name => Pid});
        {trace, _, send, {failed, Name}, _} ->
            tracer([["fail ", atom_to_list(Name)] | Lines], Alive);
        {trace, _, 'receive', {'EXIT', Pid, Reason}} -> ended(Pid, Reason, Lines, Alive);
        {trace, _, 'receive', {'DOWN', _, process, Pid, Reason}} when Reason =/= noproc ->
            ended(Pid, Reason, Lines, Alive);
        {note, From, Line} -> From ! noted, tracer([Line | Lines], Alive);
        {where, From, Name} -> From ! {where, maps:get(Name, Alive, none)}, tracer(Lines, Alive);
        {lives, From, Pid} ->
            From ! {lives, lists:member(Pid, maps:values(Alive))},
            tracer(Lines, Alive);
        {all, From} -> From ! {all, lists:reverse(Lines)};
        _ -> tracer(Lines, Alive)
    end.

ended(Pid, Reason, Lines, Alive) ->
    case [Name || {Name, P} <- maps:to_list(Alive), P =:= Pid] of
        [Name] ->
            Line = ["end ", atom_to_list(Name), " ", atom_to_list(Reason)],
            tracer([Line | Lines], maps:remove(Name, Alive));
        [] -> tracer(Lines, Alive)
    end.

note(Tracer, Line) ->
    Tracer ! {note, self(), Line},
    receive noted -> ok end.

%% Steps until there are none, or the supervisor is no more.
run(Steps, Sup, Tracer, Fails) ->
    receive
        {'EXIT', Sup, Reason} -> over(Sup, Tracer, ["over ", atom_to_list(Reason)])
    after 0 ->
        case Steps of
            [] ->
                exit(Sup, shutdown),
                receive {'EXIT', Sup, _} -> over(Sup, Tracer, "stopped") end;
            [Step | Rest] ->
                step(Step, Sup, Tracer, Fails),
                settle(Sup),
                delivered(Sup),
                run(Rest, Sup, Tracer, Fails)
        end
    end.

over(Sup, Tracer, Line) ->
    delivered(Sup),
    note(Tracer, Line).

delivered(Sup) ->
    Ref = erlang:trace_delivered(Sup),
    receive {trace_delivered, Sup, Ref} -> ok end.

%% At rest: it answers, and none of its children waits for a restart.
settle(Sup) ->
    try supervisor:which_children(Sup) of
        Children ->
            case lists:keymember(restarting, 2, Children) of
                true -> settle(Sup);
                false -> ok
            end
    catch
        exit:_ -> gone(Sup)
    end.

%% Waits until the end of the supervisor is in our mailbox, and leaves it there.
gone(Sup) ->
    receive {'EXIT', Sup, Reason} -> self() ! {'EXIT', Sup, Reason} end.

step({wait, Ms}, _, _, _) ->
    timer:sleep(Ms);
step({fail, Name, N}, _, _, Fails) ->
    ets:insert(Fails, {Name, N});
step({exit, Name, Reason}, Sup, Tracer, _) ->
    Tracer ! {where, self(), Name},
    receive
        {where, none} -> ok;
        {where, Pid} ->
            case Reason of
                killed -> exit(Pid, kill);
                _ -> Pid ! {die, Reason}
            end,
            heard(Pid, Sup, Tracer)
    end;
step({terminate, Name}, Sup, Tracer, _) ->
    answer("terminate", Name, Sup, Tracer, fun() -> supervisor:terminate_child(Sup, Name) end);
step({restart, Name}, Sup, Tracer, _) ->
    answer("restart", Name, Sup, Tracer, fun() -> supervisor:restart_child(Sup, Name) end);
step({delete, Name}, Sup, Tracer, _) ->
    answer("delete", Name, Sup, Tracer, fun() -> supervisor:delete_child(Sup, Name) end);
step({add, Child}, Sup, Tracer, Fails) ->
    Start = fun() -> supervisor:start_child(Sup, spec(Child, Tracer, Fails)) end,
    answer("add", element(1, Child), Sup, Tracer, Start).

%% Waits until the supervisor has heard of the end.
heard(Pid, Sup, Tracer) ->
    Tracer ! {lives, self(), Pid},
    receive
        {lives, false} -> ok;
        {lives, true} -> timer:sleep(1), heard(Pid, Sup, Tracer)
    end.

answer(What, Name, Sup, Tracer, Ask) ->
    Answer = case Ask() of
        ok -> "ok";
        {ok, _} -> "ok";
        {error, {already_started, _}} -> "already_started";
        {error, {no, _}} -> "failed";
        {error, no} -> "failed";
        {error, Why} when is_atom(Why) -> atom_to_list(Why)
    end,
    delivered(Sup),
    note(Tracer, [What, " ", atom_to_list(Name), ": ", Answer]).
