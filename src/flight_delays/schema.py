"""The columns of the prepared data: keys, features and label, and their order."""

# The keys of a flight. Models never see them.
KEYS = ("scheduled_departure", "flight_number")
# A model reads these two groups, in this order.
CATEGORIES = ("carrier", "origin", "destination", "manufacturer")
WEATHER = (
    "temperature_f",
    "dew_point_f",
    "humidity_percent",
    "wind_speed_mph",
    "wind_gust_mph",
    "wind_east_mph",
    "wind_north_mph",
    "precipitation_in",
    "pressure_mb",
    "visibility_miles",
)
NUMBERS = (
    "departure_minute",
    "arrival_minute",
    "scheduled_minutes",
    "weekday",
    "days_from_holiday",
    "distance_miles",
    "departures_in_hour",
    "plane_age_years",
    "plane_seats",
    "plane_engines",
    *WEATHER,
)
# 1 for a late arrival, else 0.
LABEL = "late"
COLUMNS = (*KEYS, *CATEGORIES, *NUMBERS, LABEL)
