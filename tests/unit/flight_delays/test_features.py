"""Own the tests of the feature table: nothing leaks, and odd flights still get features."""

import numpy as np
import pandas as pd
import pytest
from flight_frames import FLIGHT, OBSERVATION, OUTCOMES, PLANE, WINDOW, raw_tables, table

from flight_delays.errors import DataError
from flight_delays.features import WeatherWindow, build_features
from flight_delays.label import build_labels
from flight_delays.raw_data import RawTables
from flight_delays.schema import CATEGORIES, KEYS, NUMBERS

WEATHER = ("temperature_f", "wind_speed_mph", "precipitation_in", "visibility_miles")


def many_flights() -> RawTables:
    """Return forty flights with outcomes of every kind."""
    generator = np.random.default_rng(1)
    flights = [
        {
            "flight": number,
            "arr_delay": float(generator.integers(-30, 90)),
            "dep_delay": float(generator.integers(-10, 60)),
            "air_time": float(generator.integers(60, 300)),
        }
        for number in range(40)
    ]
    flights[3] = {"flight": 3, **dict.fromkeys(OUTCOMES, np.nan)}
    return raw_tables(flights=flights)


def with_flights(raw: RawTables, flights: pd.DataFrame) -> RawTables:
    return RawTables(flights=flights, weather=raw.weather, planes=raw.planes)


def test_features_do_not_change_when_outcomes_are_scrambled() -> None:
    raw = many_flights()
    scrambled = raw.flights.copy()
    generator = np.random.default_rng(2)
    for name in OUTCOMES:
        scrambled[name] = generator.permutation(scrambled[name].to_numpy()) * -3 + 7
    assert not scrambled[list(OUTCOMES)].equals(raw.flights[list(OUTCOMES)])

    before = build_features(raw, WINDOW)
    after = build_features(with_flights(raw, scrambled), WINDOW)

    pd.testing.assert_frame_equal(before, after, check_exact=True)
    # The scrambling is no empty gesture: what does depend on outcomes has changed.
    label = build_labels(raw.flights, late_minutes=15).late
    assert not label.equals(build_labels(scrambled, late_minutes=15).late)


def test_features_need_no_outcome_columns_at_all() -> None:
    raw = many_flights()
    known = raw.flights.drop(columns=list(OUTCOMES))

    pd.testing.assert_frame_equal(
        build_features(raw, WINDOW), build_features(with_flights(raw, known), WINDOW)
    )


def test_no_outcome_is_among_the_features() -> None:
    assert not set(OUTCOMES) & {*CATEGORIES, *NUMBERS, *KEYS}


@pytest.mark.parametrize("hour", ["13", "14", "23"])
def test_weather_of_the_departure_hour_or_later_changes_nothing(hour: str) -> None:
    ordinary = raw_tables()
    later = {"time_hour": f"2013-03-12T{hour}:00:00Z", "temp": -99.0, "precip": 9.0}

    pd.testing.assert_frame_equal(
        build_features(ordinary, WINDOW), build_features(raw_tables(weather=[{}, later]), WINDOW)
    )


def test_the_youngest_observation_before_the_departure_hour_is_used() -> None:
    raw = raw_tables(
        weather=[
            {"temp": 60.0},
            {"time_hour": "2013-03-12T11:00:00Z", "temp": 40.0},
        ]
    )

    assert build_features(raw, WINDOW)["temperature_f"].tolist() == [60.0]


@pytest.mark.parametrize(("hour", "known"), [("10", True), ("09", False)])
def test_observation_older_than_the_window_is_missing(hour: str, known: bool) -> None:
    raw = raw_tables(weather=[{"time_hour": f"2013-03-12T{hour}:00:00Z"}])

    features = build_features(raw, WINDOW)

    assert bool(features["temperature_f"].notna().all()) is known


def test_longer_lag_hides_the_hour_before() -> None:
    window = WeatherWindow(lag_hours=2, oldest_hours=3)

    assert build_features(raw_tables(), window)["temperature_f"].isna().all()


def test_weather_of_another_airport_is_not_used() -> None:
    features = build_features(raw_tables(weather=[{"origin": "JFK"}]), WINDOW)

    assert features[list(WEATHER)].isna().all(axis=None)


def test_flight_without_weather_keeps_its_other_features() -> None:
    raw = RawTables(table(FLIGHT, [{}]), table(OBSERVATION, []), table(PLANE, [{}]))

    features = build_features(raw, WINDOW)

    assert features[list(WEATHER)].isna().all(axis=None)
    assert features["departure_minute"].tolist() == [550.0]
    assert features["plane_seats"].tolist() == [150.0]


@pytest.mark.parametrize("tail_number", ["N404", None, np.nan])
def test_flight_without_known_plane_gets_an_unknown_maker(tail_number: object) -> None:
    features = build_features(raw_tables(flights=[{"tailnum": tail_number}]), WINDOW)

    assert features["manufacturer"].tolist() == ["unknown"]
    assert features[["plane_age_years", "plane_seats", "plane_engines"]].isna().all(axis=None)


def test_plane_of_unknown_age_keeps_its_seats() -> None:
    features = build_features(raw_tables(planes=[{"year": np.nan}]), WINDOW)

    assert features["plane_age_years"].isna().all()
    assert features["plane_seats"].tolist() == [150.0]


def test_spellings_of_one_maker_are_one() -> None:
    raw = raw_tables(
        flights=[{}, {"tailnum": "N2"}],
        planes=[{}, {"tailnum": "N2", "manufacturer": "AIRBUS"}],
    )

    features = build_features(raw, WINDOW)

    assert features["manufacturer"].tolist() == ["AIRBUS", "AIRBUS"]
    assert features["plane_age_years"].tolist() == [10.0, 10.0]


def test_registry_with_a_tail_number_twice_is_refused() -> None:
    with pytest.raises(DataError, match="duplicate tail number in the registry: N1"):
        build_features(raw_tables(planes=[{}, {"seats": 9}]), WINDOW)


def test_carrier_never_seen_before_is_kept_as_it_is() -> None:
    features = build_features(raw_tables(flights=[{"carrier": "ZZ"}]), WINDOW)

    assert features["carrier"].tolist() == ["ZZ"]


def test_arrival_after_midnight_takes_the_minutes_to_the_next_day() -> None:
    late = {"sched_dep_time": 2330, "sched_arr_time": 115, "time_hour": "2013-03-13T03:00:00Z"}

    features = build_features(raw_tables(flights=[late]), WINDOW)

    assert features["scheduled_minutes"].tolist() == [105.0]
    assert features["scheduled_departure"].tolist() == [pd.Timestamp("2013-03-12 23:30")]


def test_departure_after_midnight_uses_the_weather_of_the_day_before() -> None:
    # 00:10 in New York on the 12th is 04:10 UTC; the hour before is 03:00 UTC, 23:00 on the 11th.
    early = {"sched_dep_time": 10, "sched_arr_time": 200, "time_hour": "2013-03-12T04:00:00Z"}
    night = {"time_hour": "2013-03-12T03:00:00Z", "temp": 33.0}

    features = build_features(raw_tables(flights=[early], weather=[night]), WINDOW)

    assert features["temperature_f"].tolist() == [33.0]
    assert features["departure_minute"].tolist() == [10.0]


def test_hour_repeated_when_clocks_go_back_does_not_show_later_weather() -> None:
    # 01:00 in New York comes twice on 3 November: 05:00 and 06:00 UTC.
    flight = {
        "month": 11,
        "day": 3,
        "sched_dep_time": 130,
        "sched_arr_time": 300,
        "time_hour": "2013-11-03T06:00:00Z",
    }
    first = {"time_hour": "2013-11-03T05:00:00Z", "temp": 52.0}
    second = {"time_hour": "2013-11-03T06:00:00Z", "temp": 50.0}

    features = build_features(raw_tables(flights=[flight], weather=[second, first]), WINDOW)

    assert features["temperature_f"].tolist() == [52.0]


@pytest.mark.parametrize("clock", [2561, -5, 1275])
def test_scheduled_time_that_is_no_time_is_refused(clock: int) -> None:
    with pytest.raises(DataError, match=f"not a scheduled time: {clock}"):
        build_features(raw_tables(flights=[{"sched_dep_time": clock}]), WINDOW)


def test_midnight_written_as_2400_is_the_start_of_the_day() -> None:
    features = build_features(raw_tables(flights=[{"sched_arr_time": 2400}]), WINDOW)

    assert features["arrival_minute"].tolist() == [0.0]


def test_cancelled_flights_count_as_scheduled_departures() -> None:
    cancelled = {"flight": 2, **dict.fromkeys(OUTCOMES, np.nan)}
    elsewhere = {"flight": 3, "origin": "JFK"}
    later = {"flight": 4, "time_hour": "2013-03-12T14:00:00Z", "sched_dep_time": 1010}

    features = build_features(raw_tables(flights=[{}, cancelled, elsewhere, later]), WINDOW)

    assert features["departures_in_hour"].tolist() == [2.0, 2.0, 1.0, 1.0]


def test_impossible_wind_is_missing() -> None:
    features = build_features(raw_tables(weather=[{"wind_speed": 1048.0}]), WINDOW)

    winds = ["wind_speed_mph", "wind_gust_mph", "wind_east_mph", "wind_north_mph"]
    assert features[winds].isna().all(axis=None)
    assert features["temperature_f"].tolist() == [50.0]


def test_calm_air_without_direction_has_no_wind_either_way() -> None:
    calm = {"wind_speed": 0.0, "wind_dir": np.nan}

    features = build_features(raw_tables(weather=[calm]), WINDOW)

    assert features[["wind_east_mph", "wind_north_mph", "wind_gust_mph"]].eq(0).all(axis=None)


def test_wind_from_the_east_has_no_north_in_it() -> None:
    features = build_features(raw_tables(), WINDOW)

    assert features["wind_east_mph"].tolist() == [10.0]
    assert features["wind_north_mph"].tolist() == [0.0]


def test_rows_and_columns_keep_their_order() -> None:
    raw = raw_tables(
        flights=[
            {"flight": 9, "time_hour": "2013-03-12T20:00:00Z", "sched_dep_time": 1610},
            {"flight": 8},
        ]
    )

    features = build_features(raw, WINDOW)

    assert features["flight_number"].tolist() == [9, 8]
    assert tuple(features.columns) == (*KEYS, *CATEGORIES, *NUMBERS)
    assert set(features[list(NUMBERS)].dtypes) == {np.dtype(np.float32)}


def test_no_flights_are_refused() -> None:
    raw = RawTables(table(FLIGHT, []), table(OBSERVATION, [{}]), table(PLANE, [{}]))

    with pytest.raises(DataError, match="flights table is empty"):
        build_features(raw, WINDOW)


@pytest.mark.parametrize(
    ("name", "column"),
    [("flights", "sched_dep_time"), ("weather", "visib"), ("planes", "seats")],
)
def test_table_without_a_column_is_refused(name: str, column: str) -> None:
    raw = raw_tables()
    tables = {"flights": raw.flights, "weather": raw.weather, "planes": raw.planes}
    tables[name] = tables[name].drop(columns=column)

    with pytest.raises(DataError, match=f"{name} table lacks columns: {column}"):
        build_features(RawTables(**tables), WINDOW)
